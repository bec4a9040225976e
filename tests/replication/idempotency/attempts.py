"""Attempts of writes, for the tests of idempotency."""

import asyncio
from itertools import count

import pytest

from limedb.core.quorum import Level
from limedb.replication.coordinator import Write
from tests.cluster.virtual import START_MS
from tests.replication.nodes import Seat

LEVELS = pytest.mark.parametrize("level", [Level.ONE, Level.QUORUM, Level.ALL, Level.LINEARIZABLE])
NUMBERS = count()


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def new_key(ahead_ms: int = 0) -> bytes:
    """The idempotency key of a write that begins now."""
    now_ms = START_MS + int(asyncio.get_running_loop().time() * 1000)
    return (now_ms + ahead_ms).to_bytes(6, "big") + next(NUMBERS).to_bytes(10, "big")


def put(key: bytes, attempt: int = 0, value: str | None = "x", ttl_ms: int = 0) -> Write:
    return Write("k", value, ttl_ms, key, attempt)


async def ended(seat: Seat) -> None:
    """Let all that is on its way arrive."""
    await seat.coordinator.close()
