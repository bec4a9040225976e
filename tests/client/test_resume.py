"""Streams that a node refuses: the client retries exactly those whose error may pass."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import limedb
from limedb.client import Client
from limedb.errors import (
    LimeDBError,
    LimitExceededError,
    OverloadedError,
    RangeUnreachableError,
    StoreFullError,
    TooManyWatchesError,
)
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.cluster import ClusterServicer
from limedb.rpc.server.deadlines import Deadlines
from limedbpb.v1 import kv_pb2
from tests.rpc.cluster_sources import FakeCluster
from tests.rpc.peers import serving
from tests.support.ports import free_port


def soon(error: LimeDBError) -> LimeDBError:
    """The error of a node that asks its client to come back in a moment."""
    error.retry_seconds = 0.01
    return error


PASSES = (
    soon(OverloadedError("streams", 65_536, 1_000_000, 1_000_000)),
    soon(TooManyWatchesError("the node", 2000)),
    LimitExceededError("user a", "CLIENT_SCANS", 1, "scans at a time", 0.01),
    RangeUnreachableError("a scan", "quorum", {"http://b:1": "refused"}),
)


class Refusing:
    """A service whose first scans raise errors, and whose next one returns a key."""

    service = kv_pb2.DESCRIPTOR.services_by_name["KVService"]

    def __init__(self, *errors: LimeDBError) -> None:
        self.errors = list(errors)
        self.scans = 0

    async def Scan(self, request: kv_pb2.ScanRequest, context: Any) -> AsyncIterator[Any]:  # noqa: N802 (the RPC's name)
        self.scans += 1
        if self.errors:
            raise self.errors.pop(0)
        yield kv_pb2.ScanResponse(entries=[kv_pb2.ScanEntry(key="k", value="v")])

    def __getattr__(self, _name: str) -> Any:
        return None


@asynccontextmanager
async def connected(service: Refusing) -> AsyncIterator[Client]:
    cluster = FakeCluster()
    state = ClusterServicer(cluster.sources(), Checks(10), Deadlines(cluster.clock, 10.0))
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        async with serving(address, state, service), limedb.connect(address) as db:
            yield db


@pytest.mark.parametrize("error", PASSES, ids=lambda error: error.reason)
async def test_a_stream_that_is_refused_by_an_error_that_may_pass_is_begun_again(error: LimeDBError) -> None:
    service = Refusing(error, error)
    async with connected(service) as db:
        assert [entry.key async for entry in db.scan()] == ["k"]
    assert service.scans == 3


async def test_a_stream_that_is_refused_for_good_is_not_begun_again() -> None:
    service = Refusing(StoreFullError("no room"))
    async with connected(service) as db:
        with pytest.raises(StoreFullError, match="no room"):
            await anext(db.scan())
    assert service.scans == 1
