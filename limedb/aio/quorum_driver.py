"""Carries quorum calls on the running event loop: the one driver of `core/quorum_call.py`.

It owns the tasks of the requests, which continue when the verdict is there, and the timer. It must never
decide anything: the call does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from limedb.aio.running_time import TIMER_SLACK_SECONDS, Running
from limedb.aio.tasks import Tasks
from limedb.core.quorum_call import QuorumCall, Tally
from limedb.errors import LimeDBError, RequestTimeoutError

T = TypeVar("T", bound=Tally[Any])

Ask = Callable[[str, Sequence[T]], Awaitable[Sequence[object]]]
"""Sends one request: a node's URL and the questions. It returns an answer to each; LimeDBError: none."""

Heard = Callable[[Sequence[T]], None]
"""Called with the questions of each request that has its answers or has failed, also after the verdict."""


class QuorumDriver:
    """Runs calls. clock: of their deadlines. tasks: owns the requests that nobody waits for any more."""

    def __init__(self, clock: Running, tasks: Tasks) -> None:
        self._clock, self._tasks = clock, tasks

    async def run(self, call: QuorumCall[T], ask: Ask[T], heard: "Heard[T] | None" = None) -> None:
        """Send what the call asks for, and return at its verdict. Neither that nor a caller that is cancelled
        stops a request that was sent beside others; one that is sent alone is part of its caller.

        Other errors of `ask` than LimeDBError are raised here.
        """
        requests = call.start(self._clock.monotonic())
        running = _Running(call, ask, heard, self._clock, self._tasks)
        if call.verdict is not None:
            running.send(requests)
        elif len(requests) == 1 and not call.has_spare:
            ((node_url, tallies),) = requests.items()
            await running.request(node_url, tallies)
        else:
            await running.side_by_side(requests)


class _Running(Generic[T]):
    """A call on its way."""

    __slots__ = ("_alarm", "_ask", "_call", "_clock", "_done", "_heard", "_tasks")

    def __init__(
        self, call: QuorumCall[T], ask: Ask[T], heard: "Heard[T] | None", clock: Running, tasks: Tasks
    ) -> None:
        self._call, self._ask, self._heard = call, ask, heard
        self._clock, self._tasks = clock, tasks
        self._done: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    async def side_by_side(self, requests: Mapping[str, list[T]]) -> None:
        self._done = asyncio.get_running_loop().create_future()
        self._set_alarm()
        try:
            self.send(requests)
            await self._done
        finally:
            self._call.abandon()
            if self._alarm is not None:
                self._alarm.cancel()

    def send(self, requests: Mapping[str, list[T]]) -> None:
        for node_url, tallies in requests.items():
            self._tasks.start(self.request(node_url, tallies))

    async def request(self, node_url: str, tallies: list[T]) -> None:
        call = self._call
        try:
            more = call.on_answer(node_url, tallies, await self._ask(node_url, tallies))
        except LimeDBError as error:
            more = call.on_error(node_url, tallies, error)
        except asyncio.CancelledError:  # it may have been done, and nobody will hear of it
            call.on_error(node_url, tallies, RequestTimeoutError(0, f"node {node_url}: this node stops"))
            self._look(tallies)
            raise
        except Exception as error:
            if self._done is not None and not self._done.done():
                self._done.set_exception(error)
            raise
        self.send(more)
        self._look(tallies)

    def _look(self, tallies: list[T]) -> None:
        if self._heard is not None:
            self._heard(tallies)
        if self._call.verdict is not None and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _set_alarm(self) -> None:
        left = self._call.timer_at - self._clock.monotonic()
        self._alarm = asyncio.get_running_loop().call_later(left, self._wake)

    def _wake(self) -> None:
        self.send(self._call.on_timer(self._clock.monotonic() + TIMER_SLACK_SECONDS))
        if self._call.verdict is None:
            self._set_alarm()
        else:
            self._look([])
