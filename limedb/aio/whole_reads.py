"""Reads of messages that run to completion, even if nothing waits for them any longer.

It owns the workaround: gRPC's asyncio layer, server and client alike, forgets a received message if the task
that waits for it was cancelled, and never frees its bytes (grpcio 1.85). A client that sends much and then
cancels, or that the node gives up, would leave up to 64 MiB behind each time; so would a peer's answer that
comes after its caller gave up. So what a read waits for is never cancelled: a read whose caller is cancelled
continues in a task of its own. When the call ends, gRPC ends the read, and its result is dropped. A call with
one answer ends by its deadline at the latest.

Only such a read has a task: one for each would cost more than twice as much as the way to its message.
"""

import asyncio
from collections.abc import Awaitable, Generator
from contextlib import suppress
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")

Steps = Generator[Any, None, T]
"""What runs an awaitable: it yields the futures that it waits for, None to give others a turn."""


def whole(read: Awaitable[T]) -> Awaitable[T]:
    """The result of a read, or of a call with one answer. If this is cancelled, the read still runs to
    completion, and its outcome is ignored.
    """
    return _shielded(read.__await__())


@coroutine
def _shielded(steps: Steps[T]) -> Steps[T]:
    loop = asyncio.get_running_loop()
    while True:
        try:
            waiting = next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        try:
            if waiting is None:
                yield
                continue
            waiting._asyncio_future_blocking = False  # as a task does that waits for it
            woken = loop.create_future()
            waiting.add_done_callback(lambda _, woken=woken: woken.done() or woken.set_result(None))
            yield from woken
        except asyncio.CancelledError:
            loop.create_task(_rest(steps, waiting)).add_done_callback(_look)
            raise


@coroutine
def _rest(steps: Steps[T], waiting: "asyncio.Future[object] | None") -> Steps[T]:
    """What is left of a read that waits for a future, or gives others a turn."""
    with suppress(Exception):  # the read meets it itself
        yield from waiting or ()
    return (yield from steps)


def _look(reading: "asyncio.Task[Any]") -> None:
    """Retrieve an error: asyncio would log one that is never retrieved."""
    if not reading.cancelled():
        reading.exception()
