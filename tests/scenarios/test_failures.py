"""What a client sees while nodes are killed, paused and restarted; each test has a cluster of its own.

Each key has one owner here (REPLICATION_FACTOR=1), as with the Go LimeDB: its loss shows.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from limedb.errors import LimeDBError
from limedb.operator.calls import node_client
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.support.children import LIMIT
from tests.support.clusters import QUICK, limedb, running_cluster
from tests.support.keys import new_key_of
from tests.support.own_address import own_address
from tests.support.ports import free_port, free_ports
from tests.support.waiting import wait_for

ALONE = {"REPLICATION_FACTOR": "1"}
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def test_a_killed_owner_is_named_and_found_again_when_it_is_back(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path, nodes=3, env=ALONE) as cluster,
        httpx.Client(base_url=cluster.envoy_url, timeout=20) as rest,
    ):
        urls = [node.url for node in cluster.nodes]
        lost, kept = new_key_of(urls[1], urls), new_key_of(urls[2], urls)
        for key in (lost, kept):
            assert rest.post("/api/v1/set", json={"key": key, "value": "v"}).text == "OK"
        cluster.kill("node2")
        with node_client(cluster.nodes[0].address) as node:
            with pytest.raises(LimeDBError, match=rf"0 can be reached \({urls[1]}: .*nothing was written"):
                node.get(lost)
            with pytest.raises(LimeDBError, match=urls[1]):
                node.set(lost, "new")
            assert node.get(kept).value == "v"
        answer = rest.get(f"/api/v1/get/{lost}", params={"node": urls[0]})
        assert answer.status_code == 503
        assert urls[1] in answer.json()["message"]
        gossip = wait_for("gossip sees node2 dead", lambda: _dead_peers(rest, urls[0]) == [urls[1]])
        assert gossip
        cluster.restart("node2")

        def is_found() -> bool:
            answer = rest.get(f"/api/v1/get/{lost}", params={"node": urls[0]})
            return bool(answer.json().get("nodeUrl") == urls[1])

        wait_for("node1 reaches node2 again", is_found)
        wait_for("gossip sees node2 active", lambda: _dead_peers(rest, urls[0]) == [])


def test_through_envoy_reads_of_living_owners_continue_while_a_node_dies(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path, nodes=3, env=ALONE) as cluster,
        httpx.Client(base_url=cluster.envoy_url, timeout=20) as rest,
    ):
        urls = [node.url for node in cluster.nodes]
        keys = [new_key_of(url, urls) for url in urls[:2] for _ in range(5)]
        for key in keys:
            rest.post("/api/v1/set", json={"key": key, "value": "v"}).raise_for_status()
        cluster.kill("node3")
        answers = [rest.get(f"/api/v1/get/{key}").status_code for _ in range(10) for key in keys]
        assert set(answers) == {200}


def test_a_paused_owner_is_unreachable_soon_and_a_write_to_it_unknown(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=2, env=ALONE, envoy=False) as cluster:
        urls = [node.url for node in cluster.nodes]
        key = new_key_of(urls[1], urls)
        with grpc.insecure_channel(cluster.nodes[0].address) as channel:
            stub = kv_pb2_grpc.KVServiceStub(channel)
            stub.Set(kv_pb2.SetRequest(key=key, value="v"), timeout=10)
            os.kill(cluster.pid("node2"), signal.SIGSTOP)  # at once: gossip would find out meanwhile
            started = time.monotonic()
            with pytest.raises(grpc.RpcError) as write:
                stub.Set(kv_pb2.SetRequest(key=key, value="new"), timeout=10)
            with pytest.raises(grpc.RpcError) as read:
                stub.Get(kv_pb2.GetRequest(key=key), timeout=10)
            waited = time.monotonic() - started
            cluster.resume("node2")
            assert waited < 5  # the deadline is twice as far
            for error in (read.value, write.value):
                assert (error.code(), urls[1] in error.details()) == (grpc.StatusCode.UNAVAILABLE, True)
            assert "outcome is unknown" in write.value.details()
            got = wait_for(
                "node2 answers",
                lambda: stub.Get(kv_pb2.GetRequest(key=key), timeout=5).value,
                ignore=grpc.RpcError,
            )
            assert got in ("v", "new")


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_restart_keeps_what_was_acknowledged(tmp_path: Path, how: str) -> None:
    with running_cluster(tmp_path, nodes=2, env=ALONE, envoy=False) as cluster:
        urls = [node.url for node in cluster.nodes]
        keys = [new_key_of(url, urls) for url in urls for _ in range(20)]
        with node_client(cluster.nodes[0].address) as node:
            for key in keys:
                node.set(key, key)
            node.delete(keys[0])
        if how == "kill":
            cluster.kill("node2")
        cluster.restart("node2")
        with node_client(cluster.nodes[1].address) as node:
            assert [node.get(key).value for key in keys[1:]] == keys[1:]
            with pytest.raises(LimeDBError, match="key not found"):
                node.get(keys[0])


def test_nodes_that_know_only_the_next_find_each_other(tmp_path: Path) -> None:
    with free_ports(4) as ports, started_nodes(tmp_path, ports, chained=True) as addresses:
        for address in addresses:
            wait_for(f"{address} sees all", lambda address=address: _sees(address) == 4, 30, LimeDBError)


def test_a_node_of_a_cluster_serves_alone_what_it_may_though_its_peers_are_down(tmp_path: Path) -> None:
    """A new one founds no cluster then: see test_names.py."""
    with free_ports(2) as ports:
        with started_node(tmp_path, ports[0]):
            wait_for("it serves", lambda: _is_serving(f"127.0.0.1:{ports[0]}"), 30, LimeDBError)
        with started_node(tmp_path, ports[0], {"NODE_PEERS": f"http://127.0.0.1:{ports[1]}"}):
            wait_for("it serves again", lambda: _is_serving(f"127.0.0.1:{ports[0]}"), 30, LimeDBError)


def test_sigterm_finishes_running_requests_and_turns_health_off(tmp_path: Path) -> None:
    with free_port() as port, started_node(tmp_path, port, {"STORE": "filesystem"}) as process:
        address = f"127.0.0.1:{port}"
        wait_for("it serves", lambda: _is_serving(address), 30, LimeDBError)
        with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(32) as pool:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
            next(watch)
            stub = kv_pb2_grpc.KVServiceStub(channel)
            sets = [
                pool.submit(stub.Set, kv_pb2.SetRequest(key=f"k{i}", value="v"), timeout=20)
                for i in range(32)
            ]
            sets[0].result()
            process.send_signal(signal.SIGTERM)
            assert next(watch).status == NOT_SERVING
            watch.cancel()
            done = [future.exception() is None for future in sets]
        assert process.wait(20) == 0
        acknowledged = {f"k{i}" for i, ok in enumerate(done) if ok}
    with (
        free_port() as port,
        started_node(
            tmp_path,
            port,
            {
                "STORE": "filesystem",
                "NODE_URL": _url_of(tmp_path),
                "ADVERTISE_ADDRESS": f"127.0.0.1:{port}",
            },
        ),
    ):
        address = f"127.0.0.1:{port}"
        wait_for("it serves again", lambda: _is_serving(address), 30, LimeDBError)
        with grpc.insecure_channel(address) as channel:
            listed = kv_pb2_grpc.KVServiceStub(channel).ListKeys(
                kv_pb2.ListKeysRequest(page_size=1000), timeout=10
            )
            assert acknowledged <= {entry.key for entry in listed.keys}


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("STORE", "floppy", "STORE=floppy: must be one of lmdb, memory, filesystem"),
        ("SERVER_PORT", "0", "SERVER_PORT=0: must be a whole number from 1 to 65535"),
        ("NODE_URL", "node1:8484", "NODE_URL=node1:8484: must be a URL like http://node1:8484"),
        ("GOSSIP_INTERVAL", "1", "GOSSIP_INTERVAL=1: must be a time"),
        ("NODE_PEERS", "http://a:1,nonsense", "NODE_PEERS=http://a:1,nonsense: must be a URL"),
    ],
)
def test_a_bad_setting_ends_the_start_with_one_line(setting: str, value: str, words: str) -> None:
    done = limedb("serve", env={setting: value})
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_flags_of_the_go_limedb_and_long_options_are_taken(tmp_path: Path) -> None:
    with free_ports(2) as ports:
        go = [
            "-server.port",
            str(ports[0]),
            "-node.url",
            f"http://127.0.0.1:{ports[0]}",
            "-data.dir",
            str(tmp_path),
        ]
        go += [
            "-node.routing.virtual-nodes",
            "0",
            "-otel.endpoint",
            "",
            "-node.peers",
            f"http://127.0.0.1:{ports[1]}",
        ]
        ours = [
            "--server-port",
            str(ports[1]),
            f"--node-url=http://127.0.0.1:{ports[1]}",
            "--data-dir",
            str(tmp_path),
        ]
        ours += ["--virtual-nodes", "0", "--store", "memory"]
        with served(go), served(ours):
            for port in ports:
                wait_for("both see both", lambda port=port: _sees(f"127.0.0.1:{port}") == 2, 30, LimeDBError)


def test_a_taken_port_ends_the_start_with_one_line(tmp_path: Path) -> None:
    with free_port() as port, socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        env = {"SERVER_PORT": str(port), "NODE_URL": f"http://127.0.0.1:{port}", "DATA_DIR": str(tmp_path)}
        done = limedb("serve", env=env)
    assert done.returncode == 2
    assert f"SERVER_PORT={port}: must be a free port" in done.stderr


def test_two_nodes_do_not_share_a_data_folder(tmp_path: Path) -> None:
    with free_ports(2) as ports, started_node(tmp_path, ports[0]):
        wait_for("it serves", lambda: _is_serving(f"127.0.0.1:{ports[0]}"), 30, LimeDBError)
        env = {
            "SERVER_PORT": str(ports[1]),
            "NODE_URL": f"http://127.0.0.1:{ports[0]}",
            "ADVERTISE_ADDRESS": f"127.0.0.1:{ports[1]}",
            "DATA_DIR": str(tmp_path),
        }
        done = limedb("serve", env=env)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert f"{tmp_path}" in done.stderr
    assert "this node runs already" in done.stderr


@pytest.mark.parametrize(
    ("host", "open_to_all"), [("127.0.0.1", False), ("localhost", False), ("node.test", True)]
)
def test_a_node_with_a_loopback_name_listens_on_loopback_only(
    tmp_path: Path, host: str, open_to_all: bool
) -> None:
    settings = {"NODE_URL": f"http://{host}:PORT", "ADVERTISE_ADDRESS": "127.0.0.1:PORT"}
    settings["INSECURE"] = str(open_to_all).lower()
    with (
        free_port() as port,
        started_node(tmp_path, port, {k: v.replace("PORT", str(port)) for k, v in settings.items()}),
    ):
        wait_for("it serves", lambda: _is_serving(f"127.0.0.1:{port}"), 30, LimeDBError)
        assert _is_open_at(own_address(), port) is open_to_all


def test_a_file_of_the_go_limedb_opens(tmp_path: Path) -> None:
    with free_port() as port:
        url = f"http://127.0.0.1:{port}"
        (tmp_path / f"{url.replace('/', '%2F')}.json").write_text('{"k": "v", "a/b": "w"}')
        with started_node(tmp_path, port, {"STORE": "filesystem"}):
            address = f"127.0.0.1:{port}"
            wait_for("it serves", lambda: _is_serving(address), 30, LimeDBError)
            with node_client(address) as node:
                assert (node.get("k").value, node.get("a/b").value) == ("v", "w")
                node.set("k", "new")
                assert (node.get("k").value, node.get("a/b").value) == ("new", "w")


# --- what the tests share


@contextmanager
def started_node(
    folder: Path, port: int, env: dict[str, str] | None = None
) -> "Iterator[subprocess.Popen[str]]":
    url = f"http://127.0.0.1:{port}"
    settings = {
        "SERVER_PORT": str(port),
        "NODE_URL": url,
        "DATA_DIR": str(folder),
        "OTEL_ENDPOINT": "",
        **QUICK,
        **(env or {}),
    }
    with served([], settings) as process:
        (folder / "url").write_text(settings["NODE_URL"])
        yield process


@contextmanager
def started_nodes(
    folder: Path, ports: list[int], chained: bool = False, peers: list[int] | None = None
) -> Iterator[list[str]]:
    """Nodes that know the next one of the chain, or those peers."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        for i, port in enumerate(ports):
            known = ports[i + 1 : i + 2] if chained else peers or []
            env = {"NODE_PEERS": ",".join(f"http://127.0.0.1:{p}" for p in known)}
            (folder / str(port)).mkdir()
            stack.enter_context(started_node(folder / str(port), port, env))
        yield [f"127.0.0.1:{port}" for port in ports]


@contextmanager
def served(flags: list[str], env: dict[str, str] | None = None) -> "Iterator[subprocess.Popen[str]]":
    """`limedb serve` until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "limedb", "serve", *flags], env={**os.environ, **(env or {})}, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT)


def _url_of(folder: Path) -> str:
    return (folder / "url").read_text()


def _is_serving(address: str) -> bool:
    with node_client(address, 1) as node:
        return node.is_serving()


def _sees(address: str) -> int:
    with node_client(address, 1) as node:
        return node.state().active_nodes


def _dead_peers(rest: httpx.Client, url: str) -> list[str]:
    details = rest.get("/api/v1/cluster/gossip", params={"node": url}).json()["peer_details"]
    return [peer["url"] for peer in details if peer["status"] == "dead"]


def _is_open_at(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True
