"""A URL is an address, the identity is node_id within cluster_id: names, moves and doubles of processes.

Tests limedb/cli/serve.py and limedb/rpc/peer/own_name.py.
"""

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.support.clusters import QUICK, Node, limedb, running_cluster
from tests.support.ports import free_port, free_ports
from tests.support.serving import NOWHERE, running_node, starting_node
from tests.support.waiting import wait_for

DISK = QUICK | {"STORE": "lmdb"}


def own_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def state_of(address: str) -> Any:
    with grpc.insecure_channel(address) as channel:
        return cluster_pb2_grpc.ClusterServiceStub(channel).GetState(cluster_pb2.GetStateRequest())


def is_member(address: str) -> bool:
    """Whether it serves in a cluster of two."""
    state = state_of(address)
    return len(state.members) == 2 and state.status == "active"


def put(address: str, key: str) -> None:
    with grpc.insecure_channel(address) as channel:
        kv_pb2_grpc.KVServiceStub(channel).Set(kv_pb2.SetRequest(key=key, value=f"of {key}"), timeout=10)


def has(address: str, key: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        answer = kv_pb2_grpc.KVServiceStub(channel).Get(kv_pb2.GetRequest(key=key), timeout=10)
    return bool(answer.value == f"of {key}")


def refused(settings: Mapping[str, str]) -> str:
    """The one line with which a node refuses to start."""
    done = limedb("serve", env={"OTEL_ENDPOINT": "", "LOG_LEVEL": "error", **settings})
    lines = done.stderr.splitlines()
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_changed_port_over_a_data_folder_is_refused_and_a_move_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with free_ports(2) as (old, new):
        name = {"NODE_URL": own_url(old)}
        with running_node(folder, old, DISK | name) as address:
            put(address, "k")
        line = refused(DISK | {"SERVER_PORT": str(new), "NODE_URL": own_url(new), "DATA_DIR": str(folder)})
        assert f"holds the data of {own_url(old)}, and none of {own_url(new)}" in line
        assert "ADVERTISE_ADDRESS" in line
        with running_node(folder, new, DISK | name | {"ADVERTISE_ADDRESS": f"127.0.0.1:{new}"}) as address:
            assert has(address, "k")


def test_a_copy_of_a_node_s_data_under_another_name_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Two nodes would have one identity, and each would vote for the other."""
    folder, copy = tmp_path / "data", tmp_path / "copy"
    with free_ports(2) as (old, new):
        with running_node(folder, old, DISK | {"NODE_URL": own_url(old)}) as address:
            put(address, "k")
        settings = {"SERVER_PORT": str(new), "NODE_URL": own_url(new), "DATA_DIR": str(copy)}
        shutil.copytree(folder, copy)
        assert f"holds the data of {own_url(old)}, and none of {own_url(new)}" in refused(DISK | settings)
        for path in list(copy.iterdir()):
            path.rename(copy / path.name.replace(str(old), str(new)))
        before = {path: path.read_bytes() for path in copy.glob("*.lmdb/*")}
        line = refused(DISK | settings)
        assert f"belongs to {own_url(old)}" in line
        assert f"not to {own_url(new)}: nothing was changed" in line
        assert {path: path.read_bytes() for path in copy.glob("*.lmdb/*")} == before


def test_a_node_whose_data_is_gone_says_so_where_other_files_of_it_are_left(tmp_path: Path) -> None:
    with free_port() as port:
        settings = DISK | {"NODE_URL": own_url(port)}
        with running_node(tmp_path, port, settings) as address:
            put(address, "k")
            assert not any("had some before" in warning for warning in warnings_of(address))
        for path in tmp_path.glob("*.lmdb"):
            shutil.rmtree(path)
        with running_node(tmp_path, port, settings) as address:
            (said,) = [warning for warning in warnings_of(address) if "had some before" in warning]
            assert ".operations" in said
        with running_node(tmp_path, port, settings) as address:
            assert not any("had some before" in warning for warning in warnings_of(address))


def warnings_of(address: str) -> list[str]:
    """What a node's state warns of."""
    with grpc.insecure_channel(address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        return [*stub.GetState(cluster_pb2.GetStateRequest(), timeout=10).warnings]


def test_a_second_node_may_share_the_folder_of_one_that_runs(tmp_path: Path) -> None:
    with free_ports(2) as (first, second):
        own, other = {"NODE_URL": own_url(first)}, {"NODE_URL": own_url(second)}
        with running_node(tmp_path, first, DISK | own), running_node(tmp_path, second, DISK | other):
            assert state_of(f"127.0.0.1:{second}").epoch == 1


def test_who_has_the_name_of_a_living_node_is_turned_away(tmp_path: Path) -> None:
    with (
        free_ports(2) as (port, other),
        running_node(tmp_path / "first", port, DISK | {"NODE_URL": own_url(port)}) as address,
    ):
        before = state_of(address)
        line = refused(
            DISK
            | {
                "SERVER_PORT": str(other),
                "NODE_URL": own_url(port),
                "ADVERTISE_ADDRESS": f"127.0.0.1:{other}",
                "NODE_PEERS": own_url(port),
                "DATA_DIR": str(tmp_path / "second"),
            }
        )
        assert f"{own_url(port)} is the name of a node that runs already: it answers at {address}" in line
        assert before.node_id in line
        after = state_of(address)
        assert (after.status, after.epoch, after.node_id) == ("active", before.epoch, before.node_id)


def test_a_double_that_starts_while_the_real_node_stands_still_ends_when_it_is_back(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path, nodes=3, envoy=False) as cluster,
        free_port() as port,
        ThreadPoolExecutor(1) as pool,
    ):
        *others, real = cluster.nodes
        before = state_of(real.address)
        settings = DISK | {
            "SERVER_PORT": str(port),
            "NODE_URL": real.url,
            "ADVERTISE_ADDRESS": f"127.0.0.1:{port}",
            "NODE_PEERS": ",".join(node.url for node in others),
            "DATA_DIR": str(tmp_path / "double"),
            "OTEL_ENDPOINT": "",
        }
        cluster.pause(real.name)
        double = pool.submit(limedb, "serve", env=settings)
        wait_for("the double runs", lambda: state_of(f"127.0.0.1:{port}"), ignore=grpc.RpcError)
        cluster.resume(real.name)
        ended = double.result(120)
        assert ended.returncode == 1
        assert (
            f"{real.url} is the name of a node that runs already: it answers at {real.address}"
            in ended.stderr
        )
        for node in cluster.nodes:
            wait_for("all are there", lambda a=node.address: state_of(a).active_nodes == 3)
            state = state_of(node.address)
            assert (state.epoch, len(state.members)) == (before.epoch, 3)
        assert state_of(real.address).node_id == before.node_id
        assert not list(cluster.folder.rglob("*.removed-*"))


def test_a_name_that_nobody_can_look_up_is_refused(tmp_path: Path) -> None:
    with free_port() as port:
        url = NOWHERE.replace("8484", str(port))
        own = {"SERVER_PORT": str(port), "NODE_URL": url, "DATA_DIR": str(tmp_path)}
        line = refused({**own, "INSECURE": "true"})
    assert "NODE_URL=node.invalid" in line
    assert "can be looked up" in line


def test_peers_under_an_alias_leave_no_ghost(tmp_path: Path) -> None:
    with free_ports(2) as (one, two):
        peers = f"http://LOCALHOST:{one}/, http://localhost:{two}"
        with (
            running_node(tmp_path / "one", one, QUICK | {"NODE_URL": own_url(one)}) as first,
            running_node(
                tmp_path / "two", two, QUICK | {"NODE_URL": own_url(two), "NODE_PEERS": peers}
            ) as second,
        ):
            wait_for("both are members", lambda: len(state_of(first).members) == 2, limit=30)
            both = sorted([own_url(one), own_url(two)])
            wait_for("two knows one", lambda: list(state_of(second).peers) == both, limit=30)
            wait_for("one knows two", lambda: list(state_of(first).peers) == both, limit=30)
        text = (tmp_path / "two" / "node.log").read_text()
        assert text.count(f"NODE_PEERS names http://localhost:{one}, but the node there is called") == 1
        assert text.count(f"NODE_PEERS names http://localhost:{two}, which is this node itself") == 1


def test_a_node_that_reaches_none_of_its_peers_founds_nothing_and_says_so(tmp_path: Path) -> None:
    with free_ports(3) as (port, *others):
        peers = ",".join(own_url(other) for other in others)
        settings = QUICK | {"NODE_URL": own_url(port), "NODE_PEERS": peers}
        with starting_node(tmp_path, port, settings) as address:
            told = wait_for(
                "it says why",
                lambda: state if "NODE_PEERS" in (state := state_of(address)).problem else None,
                limit=30,
                ignore=grpc.RpcError,
            )
            assert (told.epoch, told.status) == (0, "starting")
            assert all(own_url(other) in told.problem for other in others)


def test_nodes_that_all_moved_to_other_ports_meet_again(tmp_path: Path) -> None:
    with free_ports(4) as ports:
        names = [own_url(port) for port in ports[:2]]
        with pair(tmp_path, ports[:2], names) as addresses:
            for address in addresses:
                wait_for("it serves", lambda a=address: is_member(a), limit=30, ignore=grpc.RpcError)
            put(addresses[0], "k")
            before = state_of(addresses[0])
        with pair(tmp_path, ports[2:], names) as addresses:
            for address in addresses:
                wait_for("it has the key", lambda a=address: has(a, "k"), limit=30, ignore=grpc.RpcError)
            wait_for(
                "no alias is left", lambda: list(state_of(addresses[1]).peers) == sorted(names), limit=30
            )
            assert state_of(addresses[1]).cluster_id == before.cluster_id


@contextmanager
def pair(folder: Path, ports: list[int], names: list[str]) -> Iterator[list[str]]:
    """Two nodes under their names at those ports, each knowing the other's address."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                starting_node(
                    folder / str(i),
                    port,
                    DISK
                    | {
                        "NODE_URL": names[i],
                        "ADVERTISE_ADDRESS": f"127.0.0.1:{port}",
                        "NODE_PEERS": own_url(ports[1 - i]),
                    },
                )
            )
            for i, port in enumerate(ports)
        ]


@pytest.mark.parametrize("name", ["http://0.0.0.0:8484", "http://node1:0"])
def test_a_name_that_nobody_can_dial_is_refused(name: str) -> None:
    assert "that others can dial" in refused({"NODE_URL": name})


@pytest.mark.torture
@pytest.mark.parametrize("dead", [0, 1, 2])
def test_of_four_nodes_two_leave_and_nothing_is_left_of_them(tmp_path: Path, dead: int) -> None:
    """Some are dead when they leave, and one that stays is restarted meanwhile. The others are well at once,
    and after half a minute nobody knows those that left. Two of four were critical forever.
    """
    with running_cluster(tmp_path, nodes=4, envoy=False) as cluster:
        first, second, *leaving = cluster.nodes
        for number, node in enumerate(leaving):
            if number < dead:
                cluster.kill(node.name)
                wait_for("it is dead", lambda n=node: status_at(first, n) == "dead")  # type: ignore[misc]
            done = limedb(
                "admin", "remove" if number < dead else "decommission", node.url, "--target", first.address
            )
            assert done.returncode == 0, done.stderr
        for node in (first, second):
            wait_for("it is well", lambda n=node: gossip_of(n).cluster_health == "healthy")  # type: ignore[misc]
        for node in (*leaving[dead:], second):
            cluster.kill(node.name)
        cluster.restart(second.name)
        for node, other in ((first, second), (second, first)):
            wait_for("no others are known", lambda n=node, o=other: knows_only(n, o), limit=60)  # type: ignore[misc]
            state = state_of(node.address)
            assert (state.status, state.total_nodes, state.active_nodes) == ("active", 2, 2)
            assert gossip_of(node).cluster_health == "healthy"


def gossip_of(node: Node) -> Any:
    with grpc.insecure_channel(node.address) as channel:
        return cluster_pb2_grpc.ClusterServiceStub(channel).GetGossip(cluster_pb2.GetGossipRequest())


def status_at(node: Node, peer: Node) -> str:
    return next((str(p.status) for p in gossip_of(node).peer_details if p.url == peer.url), "")


def knows_only(node: Node, other: Node) -> bool:
    """Whether a node has one peer and no warning."""
    state = state_of(node.address)
    return list(state.peers) == sorted([node.url, other.url]) and not state.warnings
