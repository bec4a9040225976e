"""Calls and streams of the command line to a server that is silent, or falls silent.

Tests limedb/operator/call_errors.py.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from limedb.errors import RequestTimeoutError, UnavailableError
from limedb.operator.admin import admin_client
from limedb.operator.calls import node_client
from limedb.operator.cluster import cluster_client
from limedb.operator.console import ConsoleCalls
from limedb.operator.scans import ScanRange, scan_client
from limedb.operator.silence import no_data
from limedb.wire.channels import CONNECT_MS
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.support.ports import free_port


class Silent(kv_pb2_grpc.KVServiceServicer):
    """Answers a scan with one page, and then with nothing."""

    def __init__(self) -> None:
        self.is_over = threading.Event()

    def Scan(self, _request: kv_pb2.ScanRequest, _context: object) -> Iterator[kv_pb2.ScanResponse]:  # noqa: N802
        yield kv_pb2.ScanResponse(entries=[kv_pb2.ScanEntry(key="k", value="v")], after="k")
        self.is_over.wait(30)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that falls silent."""
    servicer, server = Silent(), grpc.server(ThreadPoolExecutor(4))
    kv_pb2_grpc.add_KVServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        servicer.is_over.set()
        server.stop(None).wait(30)


def test_a_scan_that_falls_silent_ends_by_its_callers_timeout(silent: str) -> None:
    with scan_client(silent, 0.5) as node, pytest.raises(RequestTimeoutError, match=r"0\.5 s"):
        list(node.scan(ScanRange()))


LONGER = CONNECT_MS / 1000 + 0.2
"""Seconds, more than a connection has for one who waits a shorter time."""


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of a process that stands still: the kernel takes connections, and nobody answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield f"127.0.0.1:{server.getsockname()[1]}"


def calls(address: str, seconds: float) -> list[Callable[[], object]]:
    """A call of each kind, by one who waits so long."""

    def get() -> None:
        with node_client(address, seconds) as node:
            node.get("k")

    def top() -> None:
        with cluster_client(address, seconds) as node:
            next(node.watch(1000, late=5))

    def status() -> None:
        with admin_client(address, seconds) as node:
            node.status()

    def scan() -> None:
        with scan_client(address, seconds) as node:
            list(node.scan(ScanRange()))

    def watch() -> None:
        with scan_client(address, seconds) as node:
            next(node.watch(key="k"))

    async def page() -> None:
        console = ConsoleCalls(seconds)
        try:
            await console.page("", None, 10, [address])
        finally:
            await console.close()

    return [get, top, status, scan, watch, lambda: asyncio.run(page())]


@pytest.mark.parametrize("seconds", [LONGER, pytest.param(20.0, marks=pytest.mark.torture)])
def test_every_call_waits_for_a_node_that_stands_still_as_long_as_its_caller_says(
    hanging: str, seconds: float
) -> None:
    every = calls(hanging, seconds)
    with ThreadPoolExecutor(len(every)) as pool:
        errors = [call.exception(seconds + 60) for call in [pool.submit(each) for each in every]]
    waited = [error.seconds if isinstance(error, RequestTimeoutError) else error for error in errors]
    assert waited == [seconds] * len(every)


def test_a_caller_may_wait_for_ever_and_is_answered_at_once_where_nobody_is() -> None:
    with (
        free_port() as nobodys,
        node_client(f"127.0.0.1:{nobodys}", 1e8) as node,
        pytest.raises(UnavailableError),
    ):
        node.get("k")


@pytest.fixture
def universal_time() -> Iterator[None]:
    """Local time is UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("lag", "words"),
    [(0.0, "no data yet"), (65.0, "no data since 11:58:55"), (90_000.0, "no data since 2020-01-01 11:00:00")],
)
@pytest.mark.usefixtures("universal_time")
def test_since_when_a_node_is_silent_is_said_in_words(lag: float, words: str) -> None:
    noon = 1577966400.0  # 2020-01-02 12:00:00 UTC
    assert no_data(noon, lag) == words
