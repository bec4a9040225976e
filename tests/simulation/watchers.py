"""Clients that watch, and what must hold of what they are told.

It owns the law: between two gaps each acknowledged write, or a later one of its key, is told before the watch
can be resumed behind it; and what is told was written.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from random import Random

from limedb.core.hlc import wall_ms_of
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.errors import LimeDBError, WatchGapError
from limedb.replication.watch.watcher import WatchEvent
from tests.cluster.virtual import START_MS
from tests.scenarios.history import Outcome, outcome_of
from tests.simulation.node import SimNode, Value
from tests.simulation.sim import Sim
from tests.simulation.workloads import now, wait_turn, wait_until, write

CLOCK_SECONDS = 0.5  # by which a node's clock is ahead of the true time at most
STAY_SECONDS = 12.0  # for which a client listens to a node, on average
SILENCE_SECONDS = 15.0  # as the client library has it
HEARD_SECONDS = 60.0  # in which watches hear of everything where nothing fails any more
PREFIX = "w"


@dataclass
class Attempt:
    """A write of a client. began, ended: virtual seconds. version: 0 while it is not acknowledged."""

    key: str
    value: Value
    began: float
    ended: float = 0.0
    version: int = 0
    outcome: Outcome = Outcome.UNKNOWN


@dataclass
class Writes:
    """All that was written. acknowledged: in the order in which it was."""

    attempts: list[Attempt] = field(default_factory=list)
    acknowledged: list[Attempt] = field(default_factory=list)

    async def make(self, node: SimNode, key: str, value: Value) -> None:
        """Write or delete (None) at QUORUM, and note the outcome."""
        attempt = Attempt(key, value, now())
        self.attempts.append(attempt)
        try:
            attempt.version = await write(node, key, value, Level.QUORUM)
            attempt.outcome, attempt.ended = Outcome.DONE, now()
            self.acknowledged.append(attempt)
        except Exception as error:
            attempt.outcome = outcome_of(error)

    def may_be_told(self, key: str, value: Value) -> bool:
        """Whether somebody has written that."""
        asked = (a for a in self.attempts if a.outcome is not Outcome.FAILED)
        return any(attempt.key == key and attempt.value == value for attempt in asked)


async def write_some(sim: Sim, writes: Writes, *, writers: int = 4, seconds: float, pause: float) -> None:
    """Writers of some keys of their own, one write after another, through any node; some are deletes. Beside
    the keys that are watched they write one that isn't.
    """
    end = now() + seconds

    async def run(writer: int) -> None:
        rng = sim.rng(f"writer {writer}")
        count = 0
        while await wait_turn(rng, pause, end):
            count += 1
            key = f"{rng.choice([PREFIX] * 9 + ['other'])}{writer}.{rng.randrange(6)}"
            value = f"{writer}.{count}" if rng.random() < 0.85 else None
            await writes.make(rng.choice(list(sim.nodes.values())), key, value)

    async with asyncio.TaskGroup() as group:
        for writer in range(writers):
            group.create_task(run(writer))


class Watching:
    """A client that follows a prefix through any node, and goes on through another when it has to, or likes.

    since: virtual time from which on nothing may be missed, None while it doesn't stand. resume: the version
    after which it can go on. gaps: how often it was told of one; asked: of how many nodes;
    owed: changes that it had to be told. is_prompt: it takes at once what it is told.
    """

    def __init__(self, sim: Sim, writes: Writes, name: str, *, is_prompt: bool = False) -> None:
        self._is_prompt = is_prompt
        self._sim, self._writes, self._rng = sim, writes, sim.rng(f"watcher {name}")
        self.name, self.gaps, self.asked, self.owed = name, 0, 0, 0
        self.since: float | None = None
        self.resume: int | None = None
        self._told: dict[str, int] = {}
        self._next = 0  # of what was acknowledged, what was not looked at yet

    async def run(self) -> None:
        """Watch until cancelled. AssertionError: something was missed, or told that was never written."""
        while True:
            node = self._rng.choice(list(self._sim.nodes.values()))
            try:
                async with aclosing(follow(node, self.resume)) as news:
                    await self._listen(news, now() + self._rng.expovariate(1 / STAY_SECONDS))
            except WatchGapError:
                self._sim.trace.add(f"watcher {self.name} has a gap")
                self.gaps += 1
                self.since = self.resume = None
            except (LimeDBError, ConnectionError, TimeoutError) as error:
                self._sim.trace.add(f"watcher {self.name} breaks: {type(error).__name__}")
            await asyncio.sleep(self._rng.uniform(0.05, 1.0))

    async def _listen(self, news: AsyncGenerator[WatchEvent, None], until: float) -> None:
        """Take what one watch tells, at times slowly, until it is tired of it."""
        newest: dict[str, int] = {}
        self.asked += 1
        async for told in news:
            if self.since is None:
                self._begin()
            for record in told.changes:
                assert record.version > newest.get(record.key, 0), f"{record} is told twice, or too late"
                newest[record.key] = record.version
                self._take(record)
            self.resume = told.resume_version
            self._check((wall_ms_of(self.resume) - START_MS) / 1000 - CLOCK_SECONDS)
            if now() > until:
                return
            await asyncio.sleep(0.0 if self._is_prompt else _slowness(self._rng))

    def _begin(self) -> None:
        """Nothing may be missed from now on."""
        self._sim.trace.add(f"watcher {self.name} stands")
        self.since, self._told, self._next = now(), {}, len(self._writes.acknowledged)

    def _take(self, record: Record) -> None:
        assert record.key.startswith(PREFIX), f"{record} was not asked for"
        assert self._writes.may_be_told(record.key, record.value), f"{record} was never written"
        self._told[record.key] = max(record.version, self._told.get(record.key, 0))

    def _check(self, until: float) -> None:
        """What was acknowledged until then has been told. AssertionError."""
        done = self._writes.acknowledged
        while self._next < len(done) and done[self._next].ended < until:
            attempt = done[self._next]
            self._next += 1
            if self._is_owed(attempt):
                self.owed += 1
                assert self._has(attempt), (
                    f"watcher {self.name}, since {self.since}: {attempt} was not told, and can't be any more"
                )

    def _is_owed(self, attempt: Attempt) -> bool:
        return self.since is not None and attempt.began >= self.since and attempt.key.startswith(PREFIX)

    def _has(self, attempt: Attempt) -> bool:
        return self._told.get(attempt.key, 0) >= attempt.version

    def has_all(self) -> bool:
        """Whether it stands, and was told everything."""
        return self.since is not None and not self.missing()

    def missing(self) -> list[Attempt]:
        """What it has to be told, and wasn't yet."""
        left = self._writes.acknowledged[self._next :]
        return [attempt for attempt in left if self._is_owed(attempt) and not self._has(attempt)]


def _slowness(rng: Random) -> float:
    return rng.uniform(0.5, 5.0) if rng.random() < 0.02 else rng.uniform(0, 0.05)


async def follow(node: SimNode, after: int | None) -> AsyncGenerator[WatchEvent, None]:
    """A watch of the prefix through a node, as a client has it: what the node told last before it crashed may
    never arrive. ConnectionError; TimeoutError: it tells nothing; what the watch raises.
    """
    process, program = node.process, node.program
    if process is None or program is None:
        raise ConnectionRefusedError(node.url)
    told: asyncio.Queue[WatchEvent] = asyncio.Queue(4)
    work = process.start(_tell(program, after, told), f"watch of {node.url}")
    try:
        while True:
            taking = asyncio.create_task(told.get())
            async with asyncio.timeout(SILENCE_SECONDS):
                await asyncio.wait({taking, work}, return_when=asyncio.FIRST_COMPLETED)
            if not taking.done():
                taking.cancel()
                raise work.exception() if not work.cancelled() else ConnectionResetError(node.url)
            if node.process is not process:
                raise ConnectionResetError(node.url)
            yield taking.result()
    finally:
        work.cancel()


async def _tell(program: object, after: int | None, told: "asyncio.Queue[WatchEvent]") -> None:
    watcher = program.engine.watcher  # type: ignore[attr-defined]
    async with aclosing(watcher.watch(WatchFilter(prefix=PREFIX), after, None)) as news:
        async for one in news:
            await told.put(one)


async def wait_all_told(watchers: list[Watching]) -> None:
    """AssertionError: somebody is not told something, though nothing fails any more."""
    try:
        await wait_until("told", partial(_have_all, watchers), HEARD_SECONDS)
    except AssertionError:
        missing = [f"{w.name}, since {w.since}: {w.missing()[:5]}" for w in watchers if not w.has_all()]
        raise AssertionError("\n".join(["some changes are not told:", *missing])) from None


def _have_all(watchers: list[Watching]) -> bool:
    return all(watcher.has_all() for watcher in watchers)
