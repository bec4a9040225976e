"""The runner of a load test: workers that send requests, and samples of their progress.

It owns the workers and the times. It must never print, and a failed request must never stop it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from random import Random
from typing import NamedTuple

from limedb.aio.retrying import Pauses
from limedb.errors import LimeDBError
from limedb.load.ledger import CountLedger, Ledger
from limedb.load.plan import LoadPlan, Mode
from limedb.load.tally import Sample, Tally
from limedb.load.target import Target, wrote_nothing

SAMPLE_SECONDS = 1.0
FIRST_REST, LONGEST_REST = 0.05, 1.0
"""Seconds for which a worker rests after a failure, so that it doesn't hammer a cluster that is away; they
grow.
"""

Show = Callable[[Sample], None]


class _Turn(NamedTuple):
    """One request: where it counts, and when it began."""

    tally: Tally
    began: float


class Runner:
    """A load test of a plan. tally: the results. stop: set it to stop early, after the current requests."""

    def __init__(self, plan: LoadPlan, target: Target, show: Show) -> None:
        self.tally, self.stop = Tally(), asyncio.Event()
        self._plan, self._target, self._show = plan, target, show
        self._left: Iterator[int] | None = None if plan.requests is None else iter(range(plan.requests))
        self._ledger = Ledger(plan) if plan.mode is Mode.VERIFY else None
        self._sums = CountLedger(plan) if plan.mode is Mode.COUNT else None
        self._end = float("inf")
        self._warm = 0.0  # when the warm-up ends
        self._due: Iterator[float] | None = None  # the times of the next requests, with a rate

    async def fill(self) -> None:
        """Store every key once, if the plan will read them or add to them; this is not counted.
        LimeDBError.
        """
        if self._plan.mode not in (Mode.READ, Mode.MIXED, Mode.COUNT):
            return
        numbers = iter(range(self._plan.keys))

        async def work() -> None:
            for number in numbers:
                if self.stop.is_set():
                    return
                value = "0" if self._sums else self._plan.value(number, 0)
                await self._target.write(self._plan.key(number), value)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._plan.workers):
                    group.create_task(work())
        except* LimeDBError as errors:
            raise _first(errors) from None

    async def run(self) -> None:
        """Send requests until the plan is done; in the modes verify and count, then compare every key."""
        begin = time.perf_counter()
        self._warm = start = begin + self._plan.warmup
        self._end = start + (self._plan.seconds or float("inf"))
        if self._plan.rate is not None:
            self._due = _times(begin, self._plan.rate)
        async with self._sampling(start):
            await self._all(self._work)
            self.tally.seconds = max(0.0, time.perf_counter() - start)
        if self._ledger is not None:
            await self._all(partial(self._sweep, self._ledger))
        if self._sums is not None:
            await self._all(partial(self._sum_up, self._sums))
        self.tally.turn(0, 0)

    async def clean(self) -> None:
        """Delete every key of the plan; this is not counted, and continues after `stop`. LimeDBError."""
        numbers = iter(range(self._plan.keys))

        async def work(_worker: int) -> None:
            for number in numbers:
                await self._target.remove(self._plan.key(number))

        try:
            await self._all(work)
        except* LimeDBError as errors:
            raise _first(errors) from None

    async def _all(self, work: Callable[[int], Coroutine[None, None, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            most = self._plan.workers if self._sums else min(self._plan.workers, self._plan.keys)
            for worker in range(most):
                group.create_task(work(worker))

    async def _work(self, worker: int) -> None:
        random = self._plan.random(worker)
        numbers, rests = self._numbers(worker, random), Pauses(FIRST_REST, LONGEST_REST)
        while self._goes_on():
            turn = _Turn(self.tally, await self._beginning())
            if self.stop.is_set() or turn.began >= self._end:
                return
            number = next(numbers)
            if await self._one(worker, number, random, turn):
                rests.begin_anew()
            elif self._due is None:
                await asyncio.sleep(rests.pause())

    async def _beginning(self) -> float:
        """Wait for the time of the next request, and return it: with a rate, its time counts from then on,
        even if all workers were busy and it is sent later.
        """
        if self._due is None:
            return time.perf_counter()
        due = next(self._due)
        if (wait := min(due, self._end) - time.perf_counter()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), wait)
        return due

    def _one(self, worker: int, number: int, random: Random, turn: _Turn) -> Coroutine[None, None, bool]:
        if self._sums is not None:
            return self._add(self._sums, worker, number, turn)
        return self._read(number, turn) if self._reads(random) else self._write(number, turn)

    def _numbers(self, worker: int, random: Random) -> Iterator[int]:
        """Yield keys: any, or the worker's own where values are compared."""
        own = self._plan.share_of(worker) if self._ledger else range(self._plan.keys)
        pick = self._plan.picker(len(own), random)
        while True:
            yield own[pick()]

    def _goes_on(self) -> bool:
        now = time.perf_counter()
        if self.stop.is_set() or now >= self._end:
            return False
        if now < self._warm:
            return True
        self._end_warmup()
        return self._left is None or next(self._left, None) is not None

    def _end_warmup(self) -> None:
        """Forget earlier counts, except values that differ and the sums of workers."""
        if self._warm and self._plan.warmup:
            self.tally = Tally(
                mismatches=self.tally.mismatches, shown=self.tally.shown, workers=self.tally.workers
            )
        self._warm = 0.0

    def _reads(self, random: Random) -> bool:
        if self._plan.mode in (Mode.MIXED, Mode.VERIFY):
            return random.random() < self._plan.read_share
        return self._plan.mode is Mode.READ

    async def _read(self, number: int, turn: _Turn) -> bool:
        """Read a key; return whether that succeeded."""
        tally = turn.tally
        try:
            found = await self._target.read(self._plan.key(number))
        except LimeDBError as error:
            tally.failed(error)
            return False
        tally.recent_reads.record(_since(turn.began))
        tally.reads += 1
        tally.missing += found is None
        self._compare(number, found)
        return True

    async def _write(self, number: int, turn: _Turn) -> bool:
        """Write a key; return whether that succeeded."""
        version = self._ledger.next_version(number) if self._ledger else 1
        tally = turn.tally
        try:
            await self._target.write(self._plan.key(number), self._plan.value(number, version))
        except LimeDBError as error:
            if self._ledger and not wrote_nothing(error):
                self._ledger.unknown(number, version)
            tally.failed(error)
            return False
        tally.recent_writes.record(_since(turn.began))
        tally.writes += 1
        if self._ledger:
            self._ledger.stored(number, version)
        return True

    async def _add(self, sums: CountLedger, worker: int, number: int, turn: _Turn) -> bool:
        """Add one to a counter; return whether that succeeded."""
        tally = turn.tally
        tally.workers[worker] += 0
        try:
            await self._target.add(self._plan.key(number))
        except LimeDBError as error:
            if not wrote_nothing(error):
                sums.unknown(number)
            tally.failed(error)
            return False
        tally.recent_writes.record(_since(turn.began))
        tally.writes += 1
        tally.workers[worker] += 1
        sums.added(number)
        return True

    async def _sum_up(self, sums: CountLedger, worker: int) -> None:
        """Compare some of the counters, once each; these reads are not counted."""
        for number in self._plan.share_of(worker):
            try:
                found = await self._target.read(self._plan.key(number))
            except LimeDBError as error:
                self.tally.failed(error)
                continue
            self.tally.compared += 1
            if (mismatch := sums.compare(number, found)) is not None:
                self.tally.differs(mismatch)

    async def _sweep(self, ledger: Ledger, worker: int) -> None:
        """Compare the worker's keys, once each; these reads are not counted."""
        rests = Pauses(FIRST_REST, LONGEST_REST)
        for number in filter(ledger.has, self._plan.share_of(worker)):
            try:
                found = await self._target.read(self._plan.key(number))
            except LimeDBError as error:
                self.tally.failed(error)
                await asyncio.sleep(rests.pause())
            else:
                rests.begin_anew()
                self._compare(number, found)

    def _compare(self, number: int, found: str | bytes | None) -> None:
        if self._ledger is None or not self._ledger.has(number):
            return
        self.tally.compared += 1
        if (mismatch := self._ledger.compare(number, found)) is not None:
            self.tally.differs(mismatch)

    @asynccontextmanager
    async def _sampling(self, start: float) -> AsyncIterator[None]:
        sampling = asyncio.create_task(self._sample(start))
        try:
            yield
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)

    async def _sample(self, start: float) -> None:
        last = start
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            now = time.perf_counter()
            self._show(self.tally.turn(now - start, now - last))
            last = now


def _since(began: float) -> int:
    """The microseconds since then."""
    return round((time.perf_counter() - began) * 1e6)


def _times(begin: float, rate: float) -> Iterator[float]:
    """Yield the times of requests, at a number of requests a second."""
    for number in count():
        yield begin + number / rate


def _first(errors: BaseExceptionGroup[LimeDBError]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
