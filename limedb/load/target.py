"""What a load test is aimed at: a cluster through gRPC, as the client library speaks it.

It owns the seam between the load and the wire. `limedb.load.rest` is the other side of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from limedb.client import Client, Value, connect
from limedb.core.quorum import Level
from limedb.errors import InvalidRequestError, LevelUnreachableError, StoreFullError, UnavailableError


class Target(Protocol):
    """A cluster. Both raise LimeDBError."""

    async def read(self, key: str) -> Value | None:
        """The value of a key; None: it has none."""

    async def write(self, key: str, value: str) -> None:
        """Store a value."""


class GrpcTarget:
    """A cluster through the client library: calls of one turn of the loop share messages."""

    def __init__(self, db: Client) -> None:
        self._db = db

    async def read(self, key: str) -> Value | None:
        """See Target."""
        return await self._db.get(key)

    async def write(self, key: str, value: str) -> None:
        """See Target."""
        await self._db.set(key, value)


@asynccontextmanager
async def grpc_target(
    address: str, level: Level | None, timeout: float, pinned: bool
) -> AsyncIterator[GrpcTarget]:
    """The cluster that the node at an address (host:port) belongs to, for the time of the block. pinned: only
    that node is asked; else each key's call goes to one of its replicas, found by WatchCluster.
    """
    follow = False if pinned else "auto"
    async with connect(address, consistency=level, timeout=timeout, follow_ring=follow) as db:  # type: ignore[arg-type]
        yield GrpcTarget(db)


def wrote_nothing(error: Exception) -> bool:
    """Whether a write that failed so surely left nothing behind."""
    surely = (InvalidRequestError, LevelUnreachableError, StoreFullError)
    return isinstance(error, surely) or type(error) is UnavailableError
