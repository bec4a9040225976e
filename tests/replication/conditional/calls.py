"""Conditional writes, as the tests make them.

It owns their arguments. It must never judge what comes of them.
"""

import asyncio
from itertools import count

from limedb.core.condition import Condition
from limedb.core.quorum import Level
from limedb.replication.coordinator import Write, Written
from tests.cluster.virtual import START_MS
from tests.replication.nodes import Seat

NUMBERS = count()
ABSENT = Condition(version=0)


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def new_key() -> bytes:
    now_ms = START_MS + int(asyncio.get_running_loop().time() * 1000)
    return now_ms.to_bytes(6, "big") + next(NUMBERS).to_bytes(10, "big")


async def cas(seat: Seat, value: str | None, condition: Condition, seconds: float = 5.0) -> Written:
    write = Write("k", value, condition=condition)
    return await seat.coordinator.write(write, Level.QUORUM, soon(seconds))


async def ended(*seats: Seat) -> None:
    for seat in seats:
        await seat.coordinator.close()
