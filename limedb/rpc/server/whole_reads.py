"""Reads of messages that run to completion, even if nothing waits for them any longer.

It owns the workaround: gRPC's asyncio server forgets a received message if the task that waits for it was
cancelled, and never frees its bytes (grpcio 1.85). A client that sends much and then cancels, or that the
node gives up, would leave up to 64 MiB behind each time. A read in a separate task is never cancelled: when
the call ends, gRPC ends the read, and its result is dropped.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def whole(read: "Coroutine[Any, Any, T]") -> T:
    """The result of a read. If this is cancelled, the read still runs to completion, and its outcome is
    ignored.
    """
    reading = asyncio.get_running_loop().create_task(read)
    reading.add_done_callback(_look)
    return await asyncio.shield(reading)


def _look(reading: "asyncio.Task[Any]") -> None:
    """Retrieve an error: asyncio would log one that is never retrieved."""
    if not reading.cancelled():
        reading.exception()
