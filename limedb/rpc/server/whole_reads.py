"""Reads of messages that come to their end, whoever still waits for them.

It owns why: gRPC's asyncio server forgets a message that has come when the task that waits for it was
cancelled, and never frees its bytes (grpcio 1.85). A client that sends much and then cancels, or whom the
node gives up, would leave up to 64 MiB behind, each time. A read of its own task is never cancelled: when
the call ends, gRPC ends the read, and what it found is dropped.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def whole(read: "Coroutine[Any, Any, T]") -> T:
    """What a read finds. When this is cancelled, the read goes its way all the same, and nobody asks how it
    ended.
    """
    reading = asyncio.get_running_loop().create_task(read)
    reading.add_done_callback(_look)
    return await asyncio.shield(reading)


def _look(reading: "asyncio.Task[Any]") -> None:
    """Look at an error: one that nobody has seen would be logged."""
    if not reading.cancelled():
        reading.exception()
