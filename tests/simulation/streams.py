"""Streams of a simulated network: what a peer tells for as long as it is listened to.

It owns their order and their end. What arrives comes in the order in which it was sent, and nothing is left
out in the middle: a stream of which a message is lost tells nothing more, until its watchdog breaks it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from tests.simulation.network import Call, Host, SimNetwork

T = TypeVar("T")

WINDOW = 4  # messages on their way at most


async def stream(
    network: SimNetwork,
    source: Host,
    url: str,
    what: str,
    handle: Callable[[Any], AsyncGenerator[T, None]],
) -> AsyncGenerator[T, None]:
    """What a node's program tells, as it arrives. UnsentError, UnansweredError, and what the peer raised."""
    call = await network.dial(source, url, what)
    wire = _Wire(network, call)
    try:
        network.send(call, lambda program: wire.carry(handle(program)))
        while True:
            yield await wire.take()
    finally:
        wire.close()


class _Wire:
    """Messages between one end and the other."""

    def __init__(self, network: SimNetwork, call: Call) -> None:
        self._network, self._call = network, call
        self._on_way: deque[Any] = deque()
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()
        self._room = asyncio.Semaphore(WINDOW)
        self._last = 0.0  # when the last message that was sent arrives
        self._is_open = True
        self._carrier: asyncio.Task[Any] | None = None
        call.answer.add_done_callback(self._end)

    def _end(self, answer: "asyncio.Future[Any]") -> None:
        if not answer.cancelled():
            answer.exception()  # it counts as seen, whether somebody listens or not
        self._arrived.put_nowait(None)

    async def carry(self, told: AsyncGenerator[Any, None]) -> None:
        """The telling end. A request that comes twice, or too late, does nothing."""
        if self._carrier is not None or not self._is_open:
            raise asyncio.CancelledError
        self._carrier = asyncio.current_task()
        async with aclosing(told):
            async for message in told:
                await self._room.acquire()
                self._send(message)

    def _send(self, message: Any) -> None:
        network, call, now = self._network, self._call, asyncio.get_running_loop().time()
        if network.rng.random() < network.weather.lost:
            call.is_doomed = True
        self._last = max(self._last, now + network.weather.delay(network.rng))
        self._on_way.append(message)
        network.after(self._last - now, self._arrive)

    def _arrive(self) -> None:
        message = self._on_way.popleft()  # of those that arrive at one moment any timer may be the first
        if (self._call.target.url, self._call.source.url) in self._network.cut:
            self._call.is_doomed = True
        if not self._call.is_doomed:
            self._arrived.put_nowait((message,))

    async def take(self) -> Any:
        """The listening end: the next message."""
        arrived = await self._arrived.get()
        if arrived is None:
            return self._call.answer.result()
        self._room.release()
        return arrived[0]

    def close(self) -> None:
        """Nobody listens any more; the other end hears of it."""
        self._is_open = False
        self._network.close(self._call)
        if self._carrier is not None:
            self._network.after(self._network.weather.delay(self._network.rng), self._carrier.cancel)
