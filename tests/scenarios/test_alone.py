"""REPLICATION_FACTOR=1: each key has one owner, as with the Go LimeDB, on every path.

What is here goes beyond test_rest.py, test_grpc.py and test_failures.py, which run so too.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from limedb.errors import LimeDBError
from limedbpb.v1 import kv_pb2, kv_pb2_grpc, record_pb2
from tests.scenarios.load import nodes
from tests.scenarios.members import (
    LEVELS,
    SECONDS,
    Readers,
    fill,
    is_settled,
    locate,
    missing,
    state,
    stored,
)
from tests.support.clusters import USUAL, Node, RunningCluster, limedb, running_cluster
from tests.support.keys import new_key, new_key_of
from tests.support.waiting import wait_for

ALONE = {**USUAL, "REPLICATION_FACTOR": "1"}

by_level = pytest.mark.parametrize("level", LEVELS, ids=record_pb2.Consistency.Name)


@pytest.fixture
def kv(cluster: RunningCluster) -> Iterator["kv_pb2_grpc.KVServiceStub"]:
    """The first node of the shared cluster."""
    with grpc.insecure_channel(cluster.nodes[0].address) as channel:
        yield kv_pb2_grpc.KVServiceStub(channel)


@by_level
@pytest.mark.parametrize("owner", [0, 2])
def test_every_level_means_the_one_owner(
    cluster: RunningCluster,
    kv: "kv_pb2_grpc.KVServiceStub",
    urls: list[str],
    level: record_pb2.Consistency,
    owner: int,
) -> None:
    key = new_key_of(urls[owner], urls)
    written = kv.Set(kv_pb2.SetRequest(key=key, value="v", consistency=level), timeout=SECONDS).receipt
    assert (written.acked, written.replicas, written.epoch) == (1, 1, state(cluster.nodes[0]).epoch)
    (only,) = locate(cluster.nodes[1], key)[0]
    assert (only.url, only.version, only.role) == (urls[owner], written.version, "current")
    found = kv.Get(kv_pb2.GetRequest(key=key, consistency=level), timeout=SECONDS)
    assert (found.value, found.node_url) == ("v", urls[owner])
    deleted = kv.Delete(kv_pb2.DeleteRequest(key=key, consistency=level), timeout=SECONDS)
    assert (deleted.deleted, deleted.receipt.acked, deleted.receipt.replicas) == (1, 1, 1)
    assert deleted.receipt.version > written.version
    with pytest.raises(grpc.RpcError, match="key not found"):
        kv.Get(kv_pb2.GetRequest(key=key, consistency=level), timeout=SECONDS)


@by_level
def test_a_batch_goes_to_each_owner(
    kv: "kv_pb2_grpc.KVServiceStub", urls: list[str], level: record_pb2.Consistency
) -> None:
    keys = [new_key_of(url, urls) for url in urls for _ in range(5)]
    writes = [kv_pb2.BatchWrite(key=key, value=key) for key in keys]
    answer = kv.BatchSet(kv_pb2.BatchSetRequest(writes=writes, consistency=level), timeout=SECONDS)
    assert {(r.receipt.acked, r.receipt.replicas, r.existed) for r in answer.results} == {(1, 1, False)}
    read = kv.BatchGet(kv_pb2.BatchGetRequest(keys=keys, consistency=level), timeout=SECONDS)
    assert [result.value for result in read.results] == keys
    deletes = [kv_pb2.BatchWrite(key=key, delete=True) for key in keys]
    answer = kv.BatchSet(kv_pb2.BatchSetRequest(writes=deletes, consistency=level), timeout=SECONDS)
    assert all(result.existed for result in answer.results)
    read = kv.BatchGet(kv_pb2.BatchGetRequest(keys=keys, consistency=level), timeout=SECONDS)
    assert not any(result.found for result in read.results)


@by_level
def test_a_time_to_live_ends_at_the_owner(
    kv: "kv_pb2_grpc.KVServiceStub", urls: list[str], level: record_pb2.Consistency
) -> None:
    single, batched, kept = (new_key_of(urls[2], urls) for _ in range(3))
    kv.Set(kv_pb2.SetRequest(key=single, value="v", ttl_ms=300, consistency=level), timeout=SECONDS)
    writes = [
        kv_pb2.BatchWrite(key=batched, value="v", ttl_ms=300),
        kv_pb2.BatchWrite(key=kept, value="v", ttl_ms=600_000),
    ]
    kv.BatchSet(kv_pb2.BatchSetRequest(writes=writes, consistency=level), timeout=SECONDS)

    def found() -> list[bool]:
        request = kv_pb2.BatchGetRequest(keys=[single, batched, kept], consistency=level)
        return [result.found for result in kv.BatchGet(request, timeout=SECONDS).results]

    wait_for("the values end", lambda: found() == [False, False, True])


def test_a_lost_owner_is_named_at_every_level_and_nothing_is_written(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, env=ALONE, envoy=False) as running:
        urls = [node.url for node in running.nodes]
        lost, kept = new_key_of(urls[2], urls), new_key_of(urls[1], urls)
        with grpc.insecure_channel(running.nodes[0].address) as channel:
            kv = kv_pb2_grpc.KVServiceStub(channel)
            for key in (lost, kept):
                kv.Set(kv_pb2.SetRequest(key=key, value="old"), timeout=SECONDS)
            running.kill("node3")
            wait_for("node1 misses it", lambda: not locate(running.nodes[0], lost)[0][0].reachable)
            for level in LEVELS:
                check_lost(kv, lost, kept, urls[2], level)
            running.restart("node3")
            got = wait_for(
                "node3 answers",
                lambda: kv.Get(kv_pb2.GetRequest(key=lost), timeout=SECONDS).value,
                ignore=grpc.RpcError,
            )
            assert got == "old"


def check_lost(
    kv: "kv_pb2_grpc.KVServiceStub", lost: str, kept: str, owner: str, level: record_pb2.Consistency
) -> None:
    """All that asks for a key of a lost owner names it, and says that nothing was written."""
    requests = [
        lambda: kv.Get(kv_pb2.GetRequest(key=lost, consistency=level), timeout=SECONDS),
        lambda: kv.Set(kv_pb2.SetRequest(key=lost, value="new", consistency=level), timeout=SECONDS),
        lambda: kv.Delete(kv_pb2.DeleteRequest(key=lost, consistency=level), timeout=SECONDS),
    ]
    for request in requests:
        with pytest.raises(grpc.RpcError) as refused:
            request()
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert owner in refused.value.details()
        assert "nothing was written" in refused.value.details()
    writes = [kv_pb2.BatchWrite(key=key, value="new") for key in (lost, kept)]
    bad, good = kv.BatchSet(kv_pb2.BatchSetRequest(writes=writes, consistency=level), timeout=SECONDS).results
    assert owner in bad.error.message
    assert "nothing was written" in bad.error.message
    assert (good.receipt.acked, good.HasField("error")) == (1, False)
    read = kv.BatchGet(kv_pb2.BatchGetRequest(keys=[lost, kept], consistency=level), timeout=SECONDS).results
    assert (owner in read[0].error.message, read[1].value) == (True, "new")


async def test_keys_move_to_a_new_node_and_from_one_that_leaves(tmp_path: Path) -> None:
    keys = [new_key() for _ in range(10_000)]
    with running_cluster(tmp_path, nodes=2, env=ALONE, envoy=False) as running:
        first, leaving = running.nodes
        async with nodes([node.address for node in running.nodes]) as cluster:
            await fill(cluster, keys)
            assert stored(first) + stored(leaving) == len(keys)
            stop, readers = asyncio.Event(), Readers(cluster.only([first.address]), keys)
            async with asyncio.TaskGroup() as group:
                group.create_task(readers.run(stop, readers=4))
                try:
                    new = await asyncio.to_thread(running.add)
                    await until_members(first, (*running.nodes, new))
                    moved = stored(new)
                    done = await asyncio.to_thread(
                        limedb, "admin", "decommission", leaving.url, "--target", first.address
                    )
                    await until_members(first, (first, new))
                finally:
                    stop.set()
            assert (done.returncode, readers.misses) == (0, [])
            assert readers.reads > 10 * len(readers.failures)
            assert 0.15 < moved / len(keys) < 0.55
            assert await missing(cluster, first.address, keys) == []
        await asyncio.to_thread(
            wait_for, "nothing is held twice", lambda: stored(first) + stored(new) == len(keys), 60
        )


async def until_members(asked: Node, members: tuple[Node, ...]) -> None:
    """Wait until these are the members and nothing changes."""
    await asyncio.to_thread(
        wait_for, "the change is done", lambda: is_settled(asked, members), 60, LimeDBError
    )
