"""Clients that write few keys conditionally, beside others that just write them.

It owns what they ask, and how it is recorded: a condition that fails is an observation of what was reported.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf
from random import Random

from limedb.core.condition import Condition
from limedb.core.quorum import Level
from limedb.errors import ConditionFailedError
from limedb.replication.requests import Write, Written
from tests.cluster.virtual import START_MS
from tests.scenarios.history import History, Outcome, outcome_of
from tests.simulation.node import SimNode, Value
from tests.simulation.sim import Sim
from tests.simulation.workloads import all_of, now, read, wait_turn, write
from tests.support.linearizable import Kind, Op

PATIENCE = (0.3, 2.1)
"""Seconds that a client waits for an answer."""
ATTEMPTS = 8
REPEATS = 2
"""How often, beyond once, a write at QUORUM is taken to have taken effect before it was answered: it may be
written again above newer versions.
"""


@dataclass
class Known:
    """What a client knows of a key. version: 0: it has no value; -1: unknown."""

    value: Value = None
    version: int = 0


@dataclass
class Conditional:
    """What clients asked, and what came of the conditional writes."""

    history: History
    done: int = 0
    failed: int = 0
    unknown: int = 0
    known: dict[tuple[int, str], Known] = field(default_factory=dict)


async def use_conditionally(
    sim: Sim, book: Conditional, *, clients: int = 8, keys: int = 3, seconds: float = 15.0, pause: float = 0.1
) -> None:
    """Clients read, write and write conditionally through any node, one thing after another each."""
    end = now() + seconds

    async def run(client: int) -> None:
        rng, count = sim.rng(f"client {client}"), 0
        while await wait_turn(rng, pause, end):
            count += 1
            key = f"c{rng.randrange(keys)}"
            known = book.known.setdefault((client, key), Known())
            one = _Client(sim, book, rng, str(client), key, known, f"{client}.{count}")
            kind = rng.random()
            if kind < 0.2:
                await one.read()
            elif kind < 0.28:
                await one.set(Level.LINEARIZABLE, one.new)
            elif kind < 0.34:
                await one.set(Level.QUORUM, one.new)
            elif kind < 0.38:
                await one.set(Level.LINEARIZABLE, None)
            else:
                await one.cas()

    await all_of(run(client) for client in range(clients))


@dataclass
class _Client:
    """One thing that a client does. new: a value that nobody else writes."""

    sim: Sim
    book: Conditional
    rng: Random
    name: str
    key: str
    known: Known
    new: str

    @property
    def _node(self) -> SimNode:
        return self.rng.choice(list(self.sim.nodes.values()))

    async def read(self) -> None:
        node = self._node

        async def ask() -> Value:
            value = await read(node, self.key, Level.LINEARIZABLE)
            if value != self.known.value:
                self.known.value, self.known.version = value, 0 if value is None else -1
            return value

        await self.book.history.read(self.name, self.key, ask)

    async def set(self, level: Level, value: Value) -> None:
        start, ops = now(), self.book.history.ops
        await self.book.history.write(
            self.name, self.key, value, partial(write, self._node, self.key, value, level)
        )
        if level is Level.QUORUM:
            last = ops[-1] if ops and ops[-1].start == start else None
            until = last.end if last is not None and last.client == self.name else inf
            kind = Kind.DELETE if value is None else Kind.WRITE
            ops += [Op(self.key, kind, value, start, client=self.name, until=until)] * REPEATS

    async def cas(self) -> None:
        """Write on what is known, by one of the forms of a condition."""
        known = self.known
        if known.value is None:
            condition = self.rng.choice([Condition(version=0), Condition(exists=False)])
        elif known.version > 0 and self.rng.random() < 0.6:
            condition = Condition(version=known.version)
        else:
            condition = Condition(value=known.value)
        wanted = Write(self.key, self.new, condition=condition)
        start, expected = now(), known.value
        repeatable = self.rng.random() < 0.5
        try:
            written = await (self._until_done(wanted) if repeatable else self._once(wanted, start))
        except ObservedError as seen:
            self.book.failed += 1
            self._observe(seen, condition)
        except BaseException as error:  # the end of the run, too: what was sent may take effect
            if outcome_of(error) is not Outcome.FAILED:
                self.book.unknown += 1
                self._note(start, inf, expected)
            if not isinstance(error, Exception):
                raise
        else:
            self.book.done += 1
            self._note(start, now(), expected)
            known.value, known.version = self.new, written.version

    async def _once(self, wanted: Write, start: float) -> Written:
        node = self._node
        deadline = node.clock.monotonic() + 2.0
        try:
            return await node.ask(
                lambda program: program.engine.coordinator.write(wanted, Level.QUORUM, deadline),
                self.rng.choice(PATIENCE),
            )
        except ConditionFailedError as error:
            raise ObservedError(error, start) from None

    async def _until_done(self, wanted: Write) -> Written:
        """In as many attempts as it takes, with an idempotency key."""
        began = START_MS + int(now() * 1000) + self.rng.randint(-50, 50)
        wanted = wanted._replace(idempotency_key=began.to_bytes(6, "big") + self.rng.randbytes(10))
        failure: Exception = TimeoutError()
        is_unknown = False
        for attempt in range(ATTEMPTS):
            try:
                return await self._once(wanted._replace(attempt=attempt), now())
            except ObservedError:
                raise
            except Exception as error:
                is_unknown = is_unknown or outcome_of(error) is not Outcome.FAILED
                failure = error
            await asyncio.sleep(self.rng.expovariate(1 / 0.05))
        raise TimeoutError if is_unknown else failure

    def _observe(self, seen: "ObservedError", condition: Condition) -> None:
        error = seen.error
        record = error.record
        value = None if record is None else record.value
        assert not condition.holds(record, 0), f"{error}, but {condition} holds of {record}"
        assert error.version == (0 if record is None else record.version)
        self.known.value, self.known.version = value, error.version
        self.book.history.ops.append(Op(self.key, Kind.READ, value, seen.start, now(), self.name))

    def _note(self, start: float, end: float, expected: Value) -> None:
        op = Op(self.key, Kind.CAS, self.new, start, end, self.name, expected)
        self.book.history.ops.append(op)


class ObservedError(Exception):
    """A condition failed. start: when the attempt that found it began."""

    def __init__(self, error: ConditionFailedError, start: float) -> None:
        super().__init__(str(error))
        self.error, self.start = error, start


Work = Callable[[], Awaitable[None]]
