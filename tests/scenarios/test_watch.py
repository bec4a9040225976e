"""Watches on real processes: what writers do at many nodes is told by any one of them.

Tests limedb/rpc/server/key_streams.py.
"""

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
import httpx
import pytest

import limedb
from limedb.errors import LimeDBError
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.members import is_settled, state
from tests.support.clusters import USUAL, RunningCluster, running_cluster
from tests.support.clusters import limedb as limedb_command
from tests.support.keys import new_key
from tests.support.waiting import wait_for

Change = tuple[str, int]


class Watching:
    """A watch that is read by a thread of its own. changes: key and version, as told; error: its end."""

    def __init__(self, address: str, **request: Any) -> None:
        self._channel = grpc.insecure_channel(address)
        self._call = kv_pb2_grpc.KVServiceStub(self._channel).Watch(kv_pb2.WatchRequest(**request))
        self.changes: list[Change] = []
        self.events: list[kv_pb2.WatchEvent] = []
        self.resume_version = 0
        self.error: grpc.RpcError | None = None
        self.stands = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for answer in self._call:
                self.events += answer.events
                self.changes += [(event.key, event.version) for event in answer.events]
                self.resume_version = answer.resume_version
                self.stands.set()
        except grpc.RpcError as error:
            self.error = error
            self.stands.set()

    def end(self) -> None:
        self._call.cancel()
        self._thread.join(10)
        self._channel.close()

    @property
    def code(self) -> grpc.StatusCode | None:
        return self.error.code() if self.error is not None else None


@contextmanager
def watching(address: str, **request: Any) -> Iterator[Watching]:
    """A watch that stands, or has failed."""
    watch = Watching(address, **request)
    try:
        assert watch.stands.wait(30), "the watch does not stand"
        yield watch
    finally:
        watch.end()


def put(address: str, keys: list[str], value: str = "v") -> list[Change]:
    """Write keys one after the other; their receipts."""
    with grpc.insecure_channel(address) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        requests = (kv_pb2.SetRequest(key=key, value=value) for key in keys)
        return [(r.key, stub.Set(r, timeout=20).receipt.version) for r in requests]


def wait_heard(watch: Watching, written: list[Change], limit: float = 30) -> None:
    wait_for("all changes", lambda: set(written) <= set(watch.changes), limit)


def test_changes_of_many_writers_are_reported_once_through_any_node(replicated: RunningCluster) -> None:
    prefix = new_key("w")
    plans = [[f"{prefix}/{i % 7}/{n}" for i in range(100)] for n in range(4)]
    with (
        watching(replicated.nodes[3].address, prefix=prefix) as some,
        watching(replicated.nodes[1].address, key=plans[0][0]) as one,
        watching(replicated.envoy_address, prefix=prefix) as envoy,
        ThreadPoolExecutor(4) as pool,
    ):
        addresses = [node.address for node in replicated.nodes]
        written = [change for done in pool.map(put, addresses, plans) for change in done]
        for watch in (some, envoy):
            wait_heard(watch, written)
            assert len(watch.changes) == len(set(watch.changes))
            assert set(watch.changes) == set(written)
            for key in {key for key, _ in written}:
                versions = [version for k, version in watch.changes if k == key]
                assert versions == sorted(versions)
        wait_for("the one key", lambda: len(one.changes) == sum(k == plans[0][0] for k, _ in written))


def test_rest_streams_messages_a_line(replicated: RunningCluster) -> None:
    """The first line, without events, says that the watch stands."""
    key = new_key()
    asked = {"key": key}
    with httpx.stream("GET", f"{replicated.envoy_url}/api/v1/watch", params=asked, timeout=20) as answer:
        lines = (json.loads(line) for line in answer.iter_lines() if line)
        assert next(lines)["events"] == []
        ((_, version),) = put(replicated.nodes[0].address, [key], "text")
        events = next(line["events"] for line in lines if line["events"])
    assert [(e["key"], e["value"], int(e["version"])) for e in events] == [(key, "text", version)]


def test_values_and_deletes_are_reported_as_they_are(replicated: RunningCluster) -> None:
    key = new_key()
    with watching(replicated.nodes[0].address, key=key) as watch:
        with grpc.insecure_channel(replicated.nodes[2].address) as channel:
            stub = kv_pb2_grpc.KVServiceStub(channel)
            stub.Set(kv_pb2.SetRequest(key=key, value="text", ttl_ms=60_000), timeout=10)
            stub.Set(kv_pb2.SetRequest(key=key, blob=b"\xff"), timeout=10)
            stub.Delete(kv_pb2.DeleteRequest(key=key), timeout=10)
        wait_for("three changes", lambda: len(watch.events) == 3)
        text, blob, deleted = watch.events
        assert (text.value, text.expires_at_ms > 0) == ("text", True)
        assert (blob.blob, blob.expires_at_ms) == (b"\xff", 0)
        assert (deleted.WhichOneof("content"), deleted.delete) == ("delete", True)


def test_a_watch_continues_through_another_node_when_its_own_is_killed(tmp_path: Path) -> None:
    """A gap is an error: the restarted node alone can't tell of what was before."""
    with running_cluster(tmp_path, nodes=3, envoy=False) as cluster:
        first, second, third = cluster.nodes
        with watching(first.address) as watch:
            before = put(second.address, [f"a{i}" for i in range(50)])
            wait_heard(watch, before)
            cluster.kill(first.name)
            wait_for("its end", lambda: watch.error)
        between = put(second.address, [f"b{i}" for i in range(50)])
        with watching(third.address, after_version=watch.resume_version) as again:
            after = put(third.address, [f"c{i}" for i in range(50)])
            wait_heard(again, between + after)
            cluster.restart(first.name)
            later = put(third.address, [f"d{i}" for i in range(50)])
            wait_heard(again, later)
            assert len(set(again.changes)) == len(again.changes)
            assert again.error is None
        cluster.kill(second.name)
        cluster.restart(second.name)
        cluster.kill(third.name)
        cluster.restart(third.name)
        with watching(third.address, after_version=before[0][1]) as gap:
            assert gap.code is grpc.StatusCode.OUT_OF_RANGE
            assert gap.error is not None
            assert "scan" in str(gap.error.details())


def test_who_reads_too_slowly_finds_a_gap_and_no_writer_waits_for_it(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=1, envoy=False, env={"REPLICATION_FACTOR": "1"}) as cluster:
        (node,) = cluster.nodes
        with grpc.insecure_channel(node.address) as channel:
            call = kv_pb2_grpc.KVServiceStub(channel).Watch(kv_pb2.WatchRequest())
            next(call)
            longest = 0.0
            for i in range(120):
                began = monotonic()
                put(node.address, [f"k{i}"], "v" * 900_000)
                longest = max(longest, monotonic() - began)
            with pytest.raises(grpc.RpcError) as caught:
                list(call)
        assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE
        assert longest < 5


def test_nodes_that_join_and_leave_in_the_middle_cost_nothing(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, env=USUAL, envoy=False) as cluster:
        written: list[Change] = []
        stop = threading.Event()

        def write() -> None:
            for n in range(1_000_000):
                if stop.is_set():
                    return
                with suppress(grpc.RpcError):  # of an unknown outcome: it may be told or not
                    written.extend(put(cluster.nodes[n % 2].address, [f"k{n % 500}"]))

        with watching(cluster.nodes[1].address) as watch:
            writer = threading.Thread(target=write)
            writer.start()
            try:
                added, (first, second, third) = cluster.add(), cluster.nodes
                wait_for("the join", lambda: is_settled(first, (*cluster.nodes, added)), 60)
                left = limedb_command("admin", "decommission", third.url, "--target", first.address)
                assert left.returncode == 0, left.stderr
                wait_for("the leave", lambda: is_settled(first, (first, second, added)), 60)
                count = len(written)
                wait_for("some more writes", lambda: len(written) > count + 50)
            finally:
                stop.set()
                writer.join(30)
            wait_heard(watch, written)
            assert watch.error is None
            assert len(watch.changes) == len(set(watch.changes))


@pytest.mark.torture
def test_a_stop_waits_until_a_node_that_crashed_counts_again(tmp_path: Path) -> None:
    """It takes 13 s. Else the one that crashed and the one that is stopped would both be missing."""
    with running_cluster(tmp_path, nodes=3, envoy=False) as cluster:
        first, crashed, stopped = cluster.nodes
        put(first.address, [f"before{i}" for i in range(50)])
        with watching(first.address) as watch:
            cluster.kill(crashed.name)
            cluster.restart(crashed.name)
            assert state(crashed).watch_wait_ms
            os.kill(cluster.pid(stopped.name), signal.SIGTERM)
            wait_for("it waits", lambda: state(stopped).status == "draining")
            written = put(stopped.address, [f"meanwhile{i}" for i in range(50)])
            wait_for("it is gone", lambda: not listens(stopped.address))
            assert not state(crashed).watch_wait_ms
            written += put(first.address, [f"after{i}" for i in range(50)])
            wait_heard(watch, written)
            assert watch.error is None


def listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


async def test_a_rolling_restart_costs_watches_nothing(tmp_path: Path) -> None:
    """Each node is restarted as soon as the one before is ready, while others write. A watch through a node
    that stays is never broken off; one of a client goes on through whichever node is there.
    """
    with running_cluster(tmp_path, nodes=3, envoy=False) as cluster:
        first, *others = cluster.nodes
        addresses = ",".join(node.address for node in cluster.nodes)
        async with limedb.connect(addresses, timeout=30, idempotent=True) as db:
            written: list[Change] = []
            told: list[Change] = []
            stands = asyncio.Event()

            async def write() -> None:
                for n in count(1):
                    with suppress(LimeDBError):  # of an unknown outcome: it may be told or not
                        key = f"k{n % 200}"
                        written.append((key, (await db.set(key, f"v{n}")).version))
                    await asyncio.sleep(0)

            async def watch() -> None:
                async for changes in db.watch_pages(prefix="k"):
                    told.extend((change.key, change.version) for change in changes)
                    stands.set()

            tasks = [asyncio.create_task(watch())]
            await asyncio.wait_for(stands.wait(), 30)
            with watching(first.address, prefix="k") as uninterrupted:
                tasks.append(asyncio.create_task(write()))
                for node in others:
                    await asyncio.to_thread(cluster.restart, node.name)
                heard = list(written)
                await asyncio.to_thread(wait_heard, uninterrupted, heard)
                assert uninterrupted.error is None
                assert len(uninterrupted.changes) == len(set(uninterrupted.changes))
            done = await asyncio.to_thread(
                limedb_command, "cluster", "restart", "--all", "--data-dir", str(cluster.folder)
            )
            assert done.returncode == 0, done.stderr
            assert not any(task.done() for task in tasks)
            tasks[1].cancel()
            await asyncio.wait([tasks[1]])
            await asyncio.to_thread(wait_for, "all changes", lambda: set(written) <= set(told), 60)
            assert not tasks[0].done()
            tasks[0].cancel()
            assert len(told) == len(set(told))
            assert len(written) > 100
