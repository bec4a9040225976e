"""Watches beside heavy loads, on real processes: a quiet one stays, and a busy one is told each version once.

They are the loads that once ended watches, and take minutes: `make torture` runs them. What they rest on is
held by tests/replication/test_change_log.py and the simulation.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from time import monotonic, sleep

import grpc
import pytest

from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.members import is_settled
from tests.support.clusters import USUAL, limedb, read_cluster, running_cluster
from tests.support.waiting import wait_for

pytestmark = pytest.mark.torture

LARGE = "v" * 100_000
BATCH = 500
WRITERS = 6
KEYS = 300_000
"""More than a feed remembers exactly."""
EVENTS = 600_000
MOVE_SECONDS = 900.0

Stub = kv_pb2_grpc.KVServiceStub


class Follower:
    """A watch, read by a thread of its own. newest: the last version of each key; count: of changes; wrong:
    what came twice, or after a newer one; error: its end.
    """

    def __init__(self, address: str, prefix: str) -> None:
        self.newest: dict[str, int] = {}
        self.count = 0
        self.wrong: list[str] = []
        self.error: grpc.RpcError | None = None
        self.stands = threading.Event()
        self._channel = grpc.insecure_channel(address)
        self._call = Stub(self._channel).Watch(kv_pb2.WatchRequest(prefix=prefix))
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for answer in self._call:
                self.stands.set()
                for event in answer.events:
                    self._take(event.key, event.version)
        except grpc.RpcError as error:
            self.error = error
            self.stands.set()

    def _take(self, key: str, version: int) -> None:
        self.count += 1
        last = self.newest.get(key, 0)
        if version <= last:
            self.wrong.append(f"{key} at {version} after {last}")
        self.newest[key] = max(last, version)

    def has(self, written: dict[str, int]) -> bool:
        """Whether it was told of these versions, or later ones of their keys."""
        return all(self.newest.get(key, 0) >= version for key, version in list(written.items()))

    def end(self) -> None:
        self._call.cancel()
        self._thread.join(30)
        self._channel.close()


@contextmanager
def following(address: str, prefix: str) -> Iterator[Follower]:
    """A watch that stands."""
    follower = Follower(address, prefix)
    try:
        assert follower.stands.wait(30), "the watch does not stand"
        yield follower
    finally:
        follower.end()


@contextmanager
def stubs(addresses: list[str]) -> Iterator[list[Stub]]:
    """A client of each node."""
    with ExitStack() as channels:
        yield [Stub(channels.enter_context(grpc.insecure_channel(address))) for address in addresses]


def in_parallel(work: Callable[[int], None]) -> None:
    """Let all writers do their part."""
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))


def write_large(nodes: list[Stub], prefix: str, each: int, pause: float = 0.0) -> None:
    """So many large values of each writer, over a few keys. pause: seconds between two."""

    def write(writer: int) -> None:
        for n in range(each):
            request = kv_pb2.SetRequest(key=f"{prefix}/{writer}/{n % 5}", value=LARGE)
            with suppress(grpc.RpcError):  # the watch is what is tested
                nodes[(writer + n) % len(nodes)].Set(request, timeout=20)
            sleep(pause)  # the pace of the load

    in_parallel(write)


def write_small(nodes: list[Stub], prefix: str, total: int) -> None:
    """So many small values, as fast as they are taken."""

    def write(writer: int) -> None:
        for first in range(writer * BATCH, total, WRITERS * BATCH):
            writes = [kv_pb2.BatchWrite(key=f"{prefix}/{i}", value="v") for i in range(first, first + BATCH)]
            with suppress(grpc.RpcError):
                nodes[writer % len(nodes)].BatchSet(kv_pb2.BatchSetRequest(writes=writes), timeout=30)

    in_parallel(write)


def check_quiet(nodes: list[Stub], prefix: str, watches: list[Follower]) -> None:
    """What is written at last is told by watches that were told nothing before."""
    assert not any(watch.count or watch.error for watch in watches), [watch.error for watch in watches]
    receipts = [
        node.Set(kv_pb2.SetRequest(key=f"{prefix}/{i}", value="v"), timeout=20).receipt
        for i, node in enumerate(nodes)
    ]
    written = {f"{prefix}/{i}": receipt.version for i, receipt in enumerate(receipts)}
    for watch in watches:
        wait_for("the last writes", lambda watch=watch: watch.has(written))  # type: ignore[misc]
        assert (watch.error, watch.wrong, watch.count) == (None, [], len(written))


@pytest.mark.parametrize("load", ["large", "small"])
def test_a_quiet_watch_outlives_any_load(tmp_path: Path, load: str) -> None:
    """100 values of 100 kB a second for 30 s; 150,000 small writes in some 8 s. Both once ended it."""
    with running_cluster(tmp_path, nodes=3, env=USUAL, envoy=False) as cluster, ExitStack() as stack:
        addresses = [node.address for node in cluster.nodes]
        watches = [stack.enter_context(following(address, "quiet")) for address in addresses]
        nodes = stack.enter_context(stubs(addresses))
        if load == "large":
            write_large(nodes, "load", each=3000 // WRITERS, pause=WRITERS / 100)
        else:
            write_small(nodes, "load", 150_000)
        check_quiet(nodes, "quiet", watches)


class Writing:
    """Writers that write all keys in batches, again and again, until they are stopped. newest: the last
    acknowledged version of each key; count: of acknowledged writes.
    """

    def __init__(self, nodes: list[Stub], keys: int) -> None:
        self.newest: dict[str, int] = {}
        self.count = 0
        self._nodes, self._keys = nodes, keys
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(i,)) for i in range(3)]
        for thread in self._threads:
            thread.start()

    def _write(self, writer: int) -> None:
        for n in count():
            first = (writer + 3 * n) * BATCH % self._keys
            if self._stop.is_set():
                return
            keys = [f"k{i}" for i in range(first, first + BATCH)]
            writes = [kv_pb2.BatchWrite(key=key, value=str(n)) for key in keys]
            with suppress(grpc.RpcError):  # of an unknown outcome: it may be told or not
                node = self._nodes[n % len(self._nodes)]
                self._note(keys, node.BatchSet(kv_pb2.BatchSetRequest(writes=writes), timeout=30))

    def _note(self, keys: list[str], answer: kv_pb2.BatchSetResponse) -> None:
        for key, result in zip(keys, answer.results, strict=True):
            if not result.HasField("error"):
                self.count += 1
                self.newest[key] = max(self.newest.get(key, 0), result.receipt.version)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def test_a_watch_of_all_gets_each_version_once_while_three_nodes_join_and_three_leave(
    tmp_path: Path,
) -> None:
    """Once 476,565 of 694,982 events were repeats. A gap is an end that is allowed, and says so."""
    with running_cluster(tmp_path, nodes=3, env=USUAL, envoy=False) as cluster, ExitStack() as stack:
        first, second, _ = cluster.nodes
        watch = stack.enter_context(following(first.address, "k"))
        writing = Writing(stack.enter_context(stubs([first.address, second.address])), KEYS)
        stack.callback(writing.stop)
        began = monotonic()
        wait_for("many keys", lambda: writing.count > KEYS * 0.9, 300)
        for _ in range(3):
            cluster.add()
        members = list(read_cluster(cluster.folder).nodes)
        wait_for("three more", lambda: is_settled(first, members), MOVE_SECONDS)
        for node in members[2:5]:
            members.remove(node)
            done = limedb("admin", "decommission", node.url, "--no-wait", "--target", first.address)
            assert done.returncode == 0, done.stderr
            wait_for("one to leave", lambda: is_settled(first, members), MOVE_SECONDS)
        wait_for("many events", lambda: writing.count > EVENTS, 300)
        writing.stop()
        if watch.error is None:
            wait_for("all changes", lambda: watch.error is not None or watch.has(writing.newest), 120)
        print(f"{watch.count} events in {monotonic() - began:.0f} s, end: {watch.error}")  # noqa: T201 (a figure)
        assert not watch.wrong, (len(watch.wrong), watch.wrong[:5])
        assert watch.error is None or watch.error.code() is grpc.StatusCode.OUT_OF_RANGE
