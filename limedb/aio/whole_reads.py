"""Reads of messages that come to their end, whoever still waits for them.

It owns why: gRPC's asyncio layer, server and client alike, forgets a message that has come when the task
that waits for it was cancelled, and never frees its bytes (grpcio 1.85). A client that sends much and then
cancels, or that the node gives up, would leave up to 64 MiB behind, each time; so would a peer's answer that
comes just when nobody wants it any more. A read of its own task is never cancelled: when the call ends, gRPC
ends the read, and what it found is dropped. A call with one answer ends by its deadline at the latest.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


async def whole(read: "Awaitable[T]") -> T:
    """What a read, or a call with one answer, finds. When this is cancelled, it continues all the same, and
    nobody asks how it ended.
    """
    reading = asyncio.get_running_loop().create_task(_wait(read))
    reading.add_done_callback(_look)
    return await asyncio.shield(reading)


async def _wait(read: "Awaitable[T]") -> T:
    return await read


def _look(reading: "asyncio.Task[Any]") -> None:
    """Look at an error: one that nobody has seen would be logged."""
    if not reading.cancelled():
        reading.exception()
