"""Reads of messages that run to completion, even if nothing waits for them any longer.

It owns the workaround: gRPC's asyncio layer, server and client alike, forgets a received message if the task
that waits for it was cancelled, and never frees its bytes (grpcio 1.85). A client that sends much and then
cancels, or that the node gives up, would leave up to 64 MiB behind each time; so would a peer's answer that
comes after its caller gave up. A read in a separate task is never cancelled: when the call ends, gRPC ends
the read, and its result is dropped. A call with one answer ends by its deadline at the latest.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


async def whole(read: "Awaitable[T]") -> T:
    """The result of a read, or of a call with one answer. If this is cancelled, the read still runs to
    completion, and its outcome is ignored.
    """
    reading = asyncio.get_running_loop().create_task(_wait(read))
    reading.add_done_callback(_look)
    return await asyncio.shield(reading)


async def _wait(read: "Awaitable[T]") -> T:
    return await read


def _look(reading: "asyncio.Task[Any]") -> None:
    """Retrieve an error: asyncio would log one that is never retrieved."""
    if not reading.cancelled():
        reading.exception()
