"""What each consistency level does with three replicas, and how these become equal again."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc, record_pb2
from tests.scenarios.load import LINEARIZABLE, QUORUM
from tests.scenarios.members import ALL, LEVELS, ONE, SECONDS, is_whole, locate, state
from tests.support.clusters import Node, RunningCluster, limedb, running_cluster
from tests.support.keys import new_key
from tests.support.waiting import wait_for

AT_ONCE = 2.0  # seconds; it takes some ms, and a timeout ten seconds
REPAIRED_SECONDS = 60.0

by_level = pytest.mark.parametrize("level", LEVELS, ids=record_pb2.Consistency.Name)


class Client:
    """One node, asked at a level."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._kv = kv_pb2_grpc.KVServiceStub(channel)

    def set(self, key: str, value: str, level: record_pb2.Consistency = QUORUM) -> record_pb2.Receipt:
        """Write."""
        request = kv_pb2.SetRequest(key=key, value=value, consistency=level)
        return self._kv.Set(request, timeout=SECONDS).receipt

    def delete(self, key: str, level: record_pb2.Consistency = QUORUM) -> record_pb2.Receipt:
        """Delete."""
        request = kv_pb2.DeleteRequest(key=key, consistency=level)
        return self._kv.Delete(request, timeout=SECONDS).receipt

    def get(self, key: str, level: record_pb2.Consistency = QUORUM) -> str | None:
        """Read; None: there is no value."""
        try:
            return self._kv.Get(kv_pb2.GetRequest(key=key, consistency=level), timeout=SECONDS).value
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:  # type: ignore[attr-defined]
                return None
            raise

    def set_direct(self, key: str, value: str) -> int:
        """Write to the node's own replica only; the version."""
        request = kv_pb2.SetDirectRequest(key=key, value=value)
        return self._kv.SetDirect(request, timeout=SECONDS).receipt.version


@contextmanager
def asking(node: Node) -> Iterator[Client]:
    """A client of one node."""
    with grpc.insecure_channel(node.address) as channel:
        yield Client(channel)


# --- all replicas are there


@by_level
def test_a_receipt_says_how_many_replicas_have_it(
    replicated: RunningCluster, level: record_pb2.Consistency
) -> None:
    key, least = new_key(), {ONE: 1, QUORUM: 2, ALL: 3, LINEARIZABLE: 2}[level]
    epoch, versions = state(replicated.nodes[0]).epoch, [0]
    for node in replicated.nodes:
        with asking(node) as client:
            for receipt in (client.set(key, node.name, level), client.delete(key, level)):
                assert least <= receipt.acked <= receipt.replicas == 3
                assert receipt.epoch == epoch
                versions.append(receipt.version)
    assert versions == sorted(set(versions))
    (owners,) = wait_for("it is on all replicas", lambda: whole(replicated.nodes[0], key))
    assert {(owner.version, owner.tombstone) for owner in owners} == {(versions[-1], True)}


@by_level
def test_each_level_reads_what_it_wrote(replicated: RunningCluster, level: record_pb2.Consistency) -> None:
    key = new_key()
    with asking(replicated.nodes[1]) as client:
        client.set(key, "v", ALL if level == ONE else level)
        assert client.get(key, level) == "v"
        client.delete(key, ALL if level == ONE else level)
        assert client.get(key, level) is None


def whole(asked: Node, key: str) -> list[list[cluster_pb2.KeyOwner]] | None:
    """The owners of a key, once all hold the same of it."""
    owners = locate(asked, key)
    return owners if is_whole(owners[0]) else None


def test_a_read_repairs_the_replicas_that_it_asked_before_it_answers(replicated: RunningCluster) -> None:
    key, asked = new_key(), replicated.nodes[0]
    with asking(asked) as client:
        old = client.set(key, "old", ALL).version
        newer_at = node_at(replicated, locate(asked, key)[0][-1].url)
        with asking(newer_at) as direct:
            new = direct.set_direct(key, "new")
        assert new > old
        assert versions(asked, key) == {newer_at.url: new} | dict.fromkeys(others(asked, key, newer_at), old)
        assert client.get(key, ALL) == "new"
        assert set(versions(asked, key).values()) == {new}


def test_a_quorum_that_read_the_newer_one_reads_nothing_older_afterwards(replicated: RunningCluster) -> None:
    """Whichever two replicas are asked: once a read has answered with the newer one, a majority has it."""
    for _ in range(20):
        key, asked = new_key(), replicated.nodes[0]
        with asking(asked) as client:
            client.set(key, "old", ALL)
            with asking(node_at(replicated, locate(asked, key)[0][0].url)) as direct:
                new = direct.set_direct(key, "new")
            if client.get(key) == "new":
                assert list(versions(asked, key).values()).count(new) >= 2
                for node in replicated.nodes:
                    with asking(node) as other:
                        assert other.get(key) == "new"


def test_rest_takes_a_level(replicated: RunningCluster) -> None:
    key = new_key()
    with httpx.Client(base_url=replicated.envoy_url, timeout=20) as rest:
        written = rest.post("/api/v1/set", json={"key": key, "value": "v", "consistency": "CONSISTENCY_ALL"})
        assert (written.status_code, written.text) == (200, "OK")
        assert is_whole(locate(replicated.nodes[0], key)[0])
        for level in LEVELS:
            name = record_pb2.Consistency.Name(level)
            answer = rest.get(f"/api/v1/get/{key}", params={"consistency": name})
            assert (answer.status_code, answer.json()["value"]) == (200, "v")
        gone = rest.delete(f"/api/v1/del/{key}", params={"consistency": "CONSISTENCY_LINEARIZABLE"})
        assert (gone.status_code, gone.text) == (200, "1")
        refused = rest.get(f"/api/v1/get/{key}", params={"consistency": "CONSISTENCY_SOME"})
        assert refused.status_code == 400


def test_the_command_line_takes_a_level(replicated: RunningCluster) -> None:
    key, target = new_key(), ("--target", replicated.nodes[2].address)
    assert limedb("set", key, "v", "--consistency", "all", *target).stdout == "OK\n"
    for level in ("one", "quorum", "ALL", "linearizable"):
        done = limedb("get", key, "--consistency", level, *target)
        assert (done.returncode, done.stdout) == (0, "v\n")
    assert limedb("del", key, "--consistency", "linearizable", *target).stdout == "1\n"
    assert limedb("get", key, "--consistency", "quorum", *target).returncode == 3
    assert limedb("get", key, "--consistency", "some", *target).returncode == 2


# --- replicas are away


def test_levels_with_one_and_two_of_three_replicas_down(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path, nodes=3, envoy=False) as running,
        asking(running.nodes[0]) as client,
    ):
        key, first = new_key(), running.nodes[0]
        client.set(key, "at all", ALL)
        running.kill("node3")
        wait_for("node1 misses it", lambda: reachable(first, key) == 2)
        check_refused(client, key, first, [ALL], [running.nodes[2].url])
        for level in (ONE, QUORUM, LINEARIZABLE):
            value = record_pb2.Consistency.Name(level)
            assert client.set(key, value, level).replicas == 3
            assert client.get(key, QUORUM) == value
        assert client.get(key, ONE) is not None
        running.kill("node2")
        wait_for("node1 misses both", lambda: reachable(first, key) == 1)
        check_refused(
            client, key, first, [ALL, QUORUM, LINEARIZABLE], [node.url for node in running.nodes[1:]]
        )
        receipt = client.set(key, "at one", ONE)
        assert (receipt.acked, receipt.replicas) == (1, 3)
        assert client.get(key, ONE) == "at one"
        for name in ("node2", "node3"):
            running.restart(name)
        assert wait_for("all are there", lambda: reachable(first, key) == 3)
        assert wait_for("it reads at ALL", lambda: client.get(key, ALL), ignore=grpc.RpcError) == "at one"
        assert {owner.version for owner in locate(first, key)[0]} == {receipt.version}


def check_refused(
    client: Client, key: str, asked: Node, levels: Sequence[record_pb2.Consistency], gone: Sequence[str]
) -> None:
    """These levels say at once that nothing was written, and who is missing; and nothing was."""
    before = versions(asked, key)
    for level in levels:
        for request in (lambda: client.set(key, "refused", level), lambda: client.delete(key, level)):  # noqa: B023
            started = time.monotonic()
            with pytest.raises(grpc.RpcError) as refused:
                request()
            assert time.monotonic() - started < AT_ONCE
            check_unavailable(refused.value, gone)
        with pytest.raises(grpc.RpcError) as unread:
            client.get(key, level)
        check_unavailable(unread.value, gone)
    assert versions(asked, key) == before


def check_unavailable(error: grpc.RpcError, gone: Sequence[str]) -> None:
    """An error names who is missing."""
    assert error.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
    details = error.details()  # type: ignore[attr-defined]
    assert "nothing was written" in details
    assert all(url in details for url in gone)


# --- deletes


@pytest.mark.long
def test_a_deleted_key_stays_deleted_when_a_node_that_missed_it_is_back(tmp_path: Path) -> None:
    """Without the hint, so that only anti-entropy can tell it."""
    env = {"REPAIR_INTERVAL": "1s"}
    with running_cluster(tmp_path, nodes=3, env=env, envoy=False) as running:
        key, first = new_key(), running.nodes[0]
        with asking(first) as client:
            client.set(key, "v", ALL)
            running.kill("node3")
            wait_for("node1 misses it", lambda: reachable(first, key) == 2)
            deleted = client.delete(key)
        for name in ("node1", "node2"):
            running.kill(name)
            drop_hints(running.folder / name)
        for node in running.nodes:
            spawn_again(running, node)
        wait_for("the tombstone is everywhere", lambda: are_tombstones(first, key), REPAIRED_SECONDS)
        assert set(versions(first, key).values()) == {deleted.version}
        for node in running.nodes:
            with asking(node) as client:
                assert [client.get(key, level) for level in LEVELS] == [None] * 4


@pytest.mark.long
def test_a_tombstone_is_purged_only_when_all_replicas_have_it(tmp_path: Path) -> None:
    env = {"REPAIR_INTERVAL": "500ms", "TOMBSTONE_GRACE": "1s"}
    with running_cluster(tmp_path, nodes=3, env=env, envoy=False) as running:
        key, first = new_key(), running.nodes[0]
        with asking(first) as client:
            client.set(key, "v", ALL)
            running.kill("node3")
            wait_for("node1 misses it", lambda: reachable(first, key) == 2)
            deleted = client.delete(key)
            passes = skipped(first)
            wait_for("repair looks again and again", lambda: skipped(first) > passes + 10, REPAIRED_SECONDS)
            wait_for("the grace is over", lambda: time.time() - deleted.version / (1000 << 16) > 3)
            assert list(versions(first, key).values()).count(deleted.version) == 2
            running.restart("node3")
            wait_for("it is purged", lambda: set(versions(first, key).values()) == {0}, REPAIRED_SECONDS)
            assert client.get(key, ALL) is None


def drop_hints(folder: Path) -> None:
    """Remove what a node, which is down, keeps for others."""
    hints = list(folder.glob("*.hints"))
    assert hints
    for path in hints:
        shutil.rmtree(path)


def spawn_again(running: RunningCluster, node: Node) -> None:
    """Start a node of a cluster of which others are still down."""
    running.restart(node.name)


def are_tombstones(asked: Node, key: str) -> bool:
    """Whether every owner holds the delete."""
    owners = locate(asked, key)[0]
    return is_whole(owners) and all(owner.tombstone for owner in owners)


def skipped(node: Node) -> int:
    """How many comparisons of repair found nobody."""
    with grpc.insecure_channel(node.address) as channel:
        watch = cluster_pb2_grpc.ClusterServiceStub(channel).WatchCluster(
            cluster_pb2.WatchClusterRequest(), timeout=SECONDS
        )
        told = next(iter(watch))
        watch.cancel()
    return told.repair.skipped


# --- who holds what


def versions(asked: Node, key: str) -> dict[str, int]:
    """What each owner holds of a key, 0 for nothing, or -1 where it can't be asked; by URL."""
    return {o.url: -1 if o.error else o.version for o in locate(asked, key)[0]}


def others(asked: Node, key: str, node: Node) -> list[str]:
    """The other owners of a key."""
    return [owner.url for owner in locate(asked, key)[0] if owner.url != node.url]


def reachable(asked: Node, key: str) -> int:
    """How many owners of a key a node takes for reachable."""
    return sum(owner.reachable for owner in locate(asked, key)[0])


def node_at(running: RunningCluster, url: str) -> Node:
    """The node of a URL."""
    return next(node for node in running.nodes if node.url == url)
