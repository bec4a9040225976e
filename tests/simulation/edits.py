"""Clients that change few keys by what these have, beside others that just write them.

It owns what they ask, and how it is recorded. Numbers are increased, texts are added to, and either is
swapped, set, deleted and read.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from random import Random

from limedb.core.edits import Append, Edit, Increment, Swap
from limedb.core.quorum import Level
from limedb.errors import EditRefusedError, LimeDBError
from limedb.replication.requests import Write, Written
from tests.cluster.virtual import START_MS
from tests.scenarios.history import History, Outcome, outcome_of
from tests.simulation.conditional import ATTEMPTS, PATIENCE
from tests.simulation.node import SimNode, Value
from tests.simulation.sim import Sim
from tests.simulation.workloads import all_of, now, read, wait_turn, write
from tests.support.linearizable import Kind, Op

PATIENT_ATTEMPTS = 200
"""More than a fault lasts."""


@dataclass
class Edits:
    """What clients asked, and what came of it. sums: by key, of the increments that were acknowledged;
    unknown: of those of which nobody knows whether they took effect.
    """

    history: History
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    sums: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)


async def use_edits(
    sim: Sim, book: Edits, *, clients: int = 8, keys: int = 2, seconds: float = 15.0, pause: float = 0.15
) -> None:
    """Clients change numbers and texts through any node, one thing after another each."""
    end = now() + seconds

    async def run(client: int) -> None:
        rng, count = sim.rng(f"client {client}"), 0
        while await wait_turn(rng, pause, end):
            count += 1
            is_number, place = rng.random() < 0.6, rng.randrange(keys)
            one = _Client(sim, book, rng, str(client), f"{'n' if is_number else 't'}{place}")
            await (one.number(1000 * client + count) if is_number else one.text(f"+{client}.{count}"))

    await all_of(run(client) for client in range(clients))


async def count_up(
    sim: Sim, book: Edits, *, clients: int = 6, keys: int = 2, seconds: float = 15.0, pause: float = 0.1
) -> None:
    """Clients do nothing but increase numbers, each time until that is acknowledged, or can't be known."""
    end = now() + seconds

    async def run(client: int) -> None:
        rng = sim.rng(f"client {client}")
        while await wait_turn(rng, pause, end):
            key = f"n{rng.randrange(keys)}"
            await _Client(sim, book, rng, str(client), key).add(rng.choice([1, 2, 5]), 0, PATIENT_ATTEMPTS)

    await all_of(run(client) for client in range(clients))


def check_sums(book: Edits, values: dict[str, Value]) -> None:
    """AssertionError: a number isn't the sum of what was acknowledged, and maybe of what nobody knows."""
    for key, value in values.items():
        least = book.sums.get(key, 0)
        most, found = least + book.unknown.get(key, 0), int(value or 0)
        assert least <= found <= most, f"sum of {key}: {found}, and {least} to {most} were acknowledged"


async def read_numbers(sim: Sim, keys: int = 2) -> dict[str, Value]:
    """The numbers in the end, once they can be read."""
    found: dict[str, Value] = {}
    while len(found) < keys:
        key = f"n{len(found)}"
        with suppress(LimeDBError, ConnectionError, TimeoutError):
            found[key] = await read(sim.rng(f"end {len(found)}").choice(sim.up), key, Level.LINEARIZABLE)
        await asyncio.sleep(0.5)
    return found


@dataclass
class _Client:
    """One thing that a client does with a key."""

    sim: Sim
    book: Edits
    rng: Random
    name: str
    key: str

    async def number(self, new: int) -> None:
        """Do something with a number. new: one that nobody else writes."""
        kind = self.rng.random()
        if kind < 0.55:
            await self.add(self.rng.choice([1, 1, 3, -2]), self.rng.choice([0, 100_000]))
        else:
            await self._other(kind, f"{new}000")

    async def text(self, new: str) -> None:
        """Do something with a text. new: one that nobody else writes."""
        kind = self.rng.random()
        if kind < 0.55:
            await self._edit(Append(10_000), new, Op(self.key, Kind.APPEND, None, 0, suffix=new))
        else:
            await self._other(kind, new)

    async def _other(self, kind: float, new: str) -> None:
        history = self.book.history
        if kind < 0.7:
            await history.read(self.name, self.key, partial(read, self._node, self.key, Level.LINEARIZABLE))
        elif kind < 0.85:
            await self._edit(Swap(), new, Op(self.key, Kind.CAS, new, 0))
        elif kind < 0.9:
            await self._edit(Swap(), None, Op(self.key, Kind.CAS, None, 0))
        else:
            value = new if kind < 0.96 else None
            ask = partial(write, self._node, self.key, value, Level.LINEARIZABLE)
            await history.write(self.name, self.key, value, ask)

    async def add(self, by: int, initial: int, attempts: int = 0) -> None:
        """Increase a number. attempts: so many, with an idempotency key; 0: at random."""
        op = Op(self.key, Kind.ADD, None, 0, by=by, initial=initial)
        outcome = await self._edit(Increment(by), str(initial + by), op, attempts)
        for sums, wanted in ((self.book.sums, Outcome.DONE), (self.book.unknown, Outcome.UNKNOWN)):
            if outcome is wanted:
                sums[self.key] = sums.get(self.key, 0) + by

    async def _edit(self, edit: Edit, given: str | None, op: Op, attempts: int = 0) -> Outcome:
        """Send an edit, and note what came of it. op: as it is noted, without its time and answer."""
        start, wanted = now(), Write(self.key, given, edit=edit)
        if not attempts and self.rng.random() < 0.6:
            attempts = ATTEMPTS
        outcome, answer, end = Outcome.UNKNOWN, None, inf
        try:
            written = await (self._until_done(wanted, attempts) if attempts else self._once(wanted))
            outcome, answer, end = Outcome.DONE, written.answer, now()
        except EditRefusedError:
            outcome = Outcome.FAILED
        except Exception as error:
            outcome = outcome_of(error)
        finally:  # it may be cancelled
            self.book.outcomes[outcome] += 1
            if outcome is not Outcome.FAILED:
                self.book.history.ops += _noted(op, start, end, self.name, answer)
        return outcome

    @property
    def _node(self) -> SimNode:
        return self.rng.choice(list(self.sim.nodes.values()))

    async def _once(self, wanted: Write) -> Written:
        node = self._node
        deadline = node.clock.monotonic() + 2.0
        return await node.ask(
            lambda program: program.engine.coordinator.write(wanted, Level.QUORUM, deadline),
            self.rng.choice(PATIENCE),
        )

    async def _until_done(self, wanted: Write, attempts: int) -> Written:
        """In as many attempts as it takes, with an idempotency key."""
        wanted, attempt, is_unknown = self._keyed(wanted), 0, False
        failure: Exception = TimeoutError()
        for _ in range(attempts):
            try:
                return await self._once(wanted._replace(attempt=attempt))
            except EditRefusedError:
                if is_unknown:
                    raise TimeoutError from None
                raise
            except Exception as error:
                is_unknown = is_unknown or outcome_of(error) is not Outcome.FAILED
                failure = error
            if is_unknown:
                attempt += 1
            else:
                wanted = self._keyed(wanted)
            await asyncio.sleep(self.rng.expovariate(1 / 0.05))
        raise TimeoutError if is_unknown else failure

    def _keyed(self, wanted: Write) -> Write:
        began = START_MS + int(now() * 1000) + self.rng.randint(-50, 50)
        return wanted._replace(idempotency_key=began.to_bytes(6, "big") + self.rng.randbytes(10))


def _noted(op: Op, start: float, end: float, client: str, answer: Value) -> Iterator[Op]:
    """An edit as the checker takes it: a swap whose answer is unknown is a write."""
    if op.kind is not Kind.CAS:
        yield replace(op, start=start, end=end, client=client, value=answer)
    elif end < inf:
        yield replace(op, start=start, end=end, client=client, expected=answer)
    else:
        yield replace(op, kind=Kind.DELETE if op.value is None else Kind.WRITE, start=start, client=client)
