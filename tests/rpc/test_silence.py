"""Streams of the command line from a server that falls silent."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from limedb.errors import RequestTimeoutError
from limedb.operator.scans import ScanRange, scan_client
from limedbpb.v1 import kv_pb2, kv_pb2_grpc


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
        server.stop(None).wait()


def test_a_scan_that_falls_silent_ends_by_its_callers_timeout(silent: str) -> None:
    with scan_client(silent, 0.5) as node, pytest.raises(RequestTimeoutError, match=r"0\.5 s"):
        list(node.scan(ScanRange()))
