"""The target of a load test: a cluster through gRPC, by the client library.

It owns the seam between the load and the wire. `limedb.load.rest` has the target for REST.

Tested in tests/load/test_rest.py and tests/cli/test_bench.py.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from typing_extensions import override

from limedb.client import Client, Value, connect
from limedb.core.quorum import Level
from limedb.errors import LimeDBError
from limedb.tls.target import Target as Asked
from limedb.tls.target import target_of


class Target(Protocol):
    """A cluster. All raise LimeDBError."""

    async def read(self, key: str) -> Value | None:
        """Return the value of a key; None: it has none."""

    async def write(self, key: str, value: str) -> None:
        """Store a value."""

    async def add(self, key: str) -> None:
        """Add one to a counter."""

    async def remove(self, key: str) -> None:
        """Delete a key."""


class GrpcTarget(Target):
    """A cluster through the client library: calls of one turn of the loop share messages."""

    def __init__(self, db: Client) -> None:
        self._db = db

    @override
    async def read(self, key: str) -> Value | None:
        return await self._db.get(key)

    @override
    async def write(self, key: str, value: str) -> None:
        await self._db.set(key, value)

    @override
    async def add(self, key: str) -> None:
        await self._db.increment(key)

    @override
    async def remove(self, key: str) -> None:
        await self._db.delete(key)


@asynccontextmanager
async def grpc_target(
    asked: Asked | str, level: Level | None, timeout: float, pinned: bool
) -> AsyncIterator[GrpcTarget]:
    """Open the cluster of a node (host:port: without TLS) for the block. pinned: all calls go to that node;
    otherwise each key's call goes to one of its replicas, found by WatchCluster.
    """
    follow = False if pinned else "auto"
    to = target_of(asked)
    async with connect(to.url, consistency=level, timeout=timeout, follow_ring=follow, **to.files) as db:  # type: ignore[arg-type]
        yield GrpcTarget(db)


def wrote_nothing(error: Exception) -> bool:
    """Return whether the error of a write proves that nothing was written."""
    return isinstance(error, LimeDBError) and error.nothing_written
