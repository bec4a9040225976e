"""Carries single writes that come together in one message and one merge.

It owns writes until they are carried, and the requests that wait for them. It must never join what would
change anything but the cost: each has its record and its outcome, and is answered as soon as its own level is
reached, however the others do.

While a group is on its way, new writes gather for the next one, until LINGER_SECONDS after that was sent. A
write that comes alone never waits. Source: Nagle 1984, RFC 896.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from limedb.aio.batch_window import BatchWindow
from limedb.aio.tasks import Tasks
from limedb.core.quorum import Level
from limedb.errors import LimeDBError
from limedb.ports import Clock
from limedb.replication.requests import Write, Written
from limedb.replication.write.pending import PendingWrite

LINGER_SECONDS = 0.005
"""Seconds between two groups, unless the first is answered sooner."""
LEAST_PATIENCE = 2.0
"""Seconds that a request must have left to share a deadline with others."""
MAX_TOGETHER = 256

Carry = Callable[[Sequence[PendingWrite], Level, float], Awaitable[None]]
"""Gives jobs their outcomes, and resolves their waiters (`Writer.write`)."""


class WriteBatcher:
    """Gathers writes, by their level and the second of their deadline. carry: writes them."""

    def __init__(self, carry: Carry, clock: Clock, tasks: Tasks) -> None:
        self._carry, self._clock, self._tasks = carry, clock, tasks
        self._waiting: dict[tuple[Level, int], list[tuple[PendingWrite, float]]] = {}
        self._on_the_way, self._sent_at = 0, 0.0  # groups; when the last one was sent
        self._window: BatchWindow | None = None
        self._release: asyncio.TimerHandle | None = None

    async def write(self, write: Write, level: Level, deadline: float) -> Written | LimeDBError:
        """The outcome of a write. A caller that is cancelled doesn't take it back."""
        job = PendingWrite(write)
        if deadline - self._clock.monotonic() < LEAST_PATIENCE:
            await self._carry((job,), level, deadline)
            return job.settled()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Written | LimeDBError] = loop.create_future()
        job.waiter = waiter
        self._waiting.setdefault((level, int(deadline)), []).append((job, deadline))
        if self._window is None:
            self._window = BatchWindow(loop, self._flush, LINGER_SECONDS)
        if not self._on_the_way or loop.time() >= self._sent_at + LINGER_SECONDS:
            self._window.notify()
        elif self._release is None:
            self._release = loop.call_at(self._sent_at + LINGER_SECONDS, self._let_go)
        return await waiter

    def _let_go(self) -> None:
        """Let the next groups go, if something waits for it."""
        if self._release is not None:
            self._release.cancel()
            self._release = None
        if self._waiting and self._window is not None:
            self._window.notify(sum(map(len, self._waiting.values())))

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._sent_at = asyncio.get_running_loop().time()
        for (level, _), group in waiting.items():
            for start in range(0, len(group), MAX_TOGETHER):
                part = group[start : start + MAX_TOGETHER]
                jobs, deadline = [job for job, _ in part], min(deadline for _, deadline in part)
                self._on_the_way += 1
                self._tasks.start(self._carry_all(jobs, level, deadline))

    async def _carry_all(self, jobs: Sequence[PendingWrite], level: Level, deadline: float) -> None:
        try:
            await self._carry(jobs, level, deadline)
        except BaseException as error:
            for job in jobs:
                job.fail(error)
            raise
        finally:
            self._on_the_way -= 1
            self._let_go()
