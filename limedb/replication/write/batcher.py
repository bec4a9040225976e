"""Carries single writes that arrive together in one message and one merge.

It owns writes until they are carried, and the requests that wait for them. It must never join writes if that
would change anything but the cost: each has its record and its outcome, and is answered as soon as its own
level is reached, whatever happens to the others.

While a group is on its way, new writes gather for the next one, until LINGER_SECONDS after the group was
sent, or longer where this node is busy (`aio/group_window.py`). A lone write never waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from limedb.aio.group_window import GroupWindow
from limedb.aio.stages import begin_stages, ensure_stages, join_stages
from limedb.aio.tasks import Tasks
from limedb.core.quorum import Level
from limedb.errors import LimeDBError
from limedb.ports import Clock
from limedb.replication.requests import Write, Written
from limedb.replication.write.pending import PendingWrite

LINGER_SECONDS = 0.005
"""Seconds between two groups, unless the first is answered sooner; more where the loop is busy."""
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
        self._window = GroupWindow(self._flush, self._count, LINGER_SECONDS, clock.worked)

    async def write(self, write: Write, level: Level, deadline: float) -> Written | LimeDBError:
        """The outcome of a write. Cancelling the caller doesn't cancel the write."""
        job = PendingWrite(write)
        if deadline - self._clock.monotonic() < LEAST_PATIENCE:
            ensure_stages()
            await self._carry((job,), level, deadline)
            return job.settled()
        waiter: asyncio.Future[Written | LimeDBError] = asyncio.get_running_loop().create_future()
        job.waiter = waiter
        self._waiting.setdefault((level, int(deadline)), []).append((job, deadline))
        self._window.notify()
        outcome = await waiter
        join_stages(job.stages)
        return outcome

    def _count(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _flush(self) -> int:
        waiting, self._waiting = self._waiting, {}
        groups = 0
        for (level, _), group in waiting.items():
            for start in range(0, len(group), MAX_TOGETHER):
                part = group[start : start + MAX_TOGETHER]
                jobs, deadline = [job for job, _ in part], min(deadline for _, deadline in part)
                self._tasks.start(self._carry_all(jobs, level, deadline))
                groups += 1
        return groups

    async def _carry_all(self, jobs: Sequence[PendingWrite], level: Level, deadline: float) -> None:
        stages = begin_stages()
        for job in jobs:
            job.stages = stages
        try:
            await self._carry(jobs, level, deadline)
        except BaseException as error:
            for job in jobs:
                job.fail(error)
            raise
        finally:
            self._window.end()
