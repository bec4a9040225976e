"""Clients that change the keys of one group, together and alone, and read them.

It owns what they ask, and how it is recorded. All keys have the same tag, and all histories are of the group.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, TypeVar

from limedb.core.condition import Condition
from limedb.core.edits import Increment
from limedb.core.quorum import Level
from limedb.core.transactions import Judged
from limedb.errors import ConditionFailedError
from limedb.replication.groups.transaction import Comparison, Lookup, Transaction
from limedb.replication.requests import Write
from tests.cluster.virtual import START_MS
from tests.scenarios.history import Outcome, outcome_of
from tests.simulation.conditional import ATTEMPTS, PATIENCE
from tests.simulation.node import SimNode, Value
from tests.simulation.program import EngineProgram
from tests.simulation.sim import Sim
from tests.simulation.workloads import all_of, now, read, wait_turn, write
from tests.support.linearizable_groups import GroupOp, check_group

KEYS = ("{g}a", "{g}b", "{g}c")
NUMBER = "{g}n"
T = TypeVar("T")


@dataclass
class GroupBook:
    """What clients asked, and what came of it."""

    ops: list[GroupOp] = field(default_factory=list)
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    succeeded: int = 0


def check_book(book: GroupBook) -> None:
    """AssertionError: the history has no order."""
    stuck = check_group(book.ops)
    assert stuck is None, str(stuck)


async def use_groups(
    sim: Sim, book: GroupBook, *, clients: int = 6, seconds: float = 12.0, pause: float = 0.25
) -> None:
    """Clients transact, write and read through any node, one thing after another each."""
    end = now() + seconds

    async def run(client: int) -> None:
        rng, count = sim.rng(f"client {client}"), 0
        one = GroupClient(sim, book, rng, str(client))
        while await wait_turn(rng, pause, end):
            count += 1
            await one.act(f"{client}.{count}")

    await all_of(run(client) for client in range(clients))


@dataclass
class GroupClient:
    """A client, and what it has last seen of the keys."""

    sim: Sim
    book: GroupBook
    rng: Random
    name: str
    known: dict[str, Value] = field(default_factory=dict)

    async def act(self, new: str) -> None:
        """Do one thing. new: a part of values that nobody else writes."""
        kind = self.rng.random()
        if kind < 0.4:
            await self.transact(new)
        elif kind < 0.55:
            await self.look()
        elif kind < 0.65:
            await self.read_one(self.rng.choice(KEYS))
        elif kind < 0.75:
            for key in self.rng.sample(KEYS, 3):
                await self.read_one(key)
        elif kind < 0.83:
            await self.write_one(new)
        elif kind < 0.9:
            await self.compare_one(new)
        else:
            await self.add()

    async def transact(self, new: str) -> None:
        """Compare some keys with what was seen, and write some, or others; either way read all."""
        compared = self.rng.sample(KEYS, self.rng.choice([0, 1, 1, 2]))
        compare = tuple((key, self.known.get(key)) for key in compared)
        writes = self._values(new, self.rng.choice([1, 2, 3]))
        others = self._values(f"{new}!", 2) if self.rng.random() < 0.2 else ()
        op = GroupOp(now(), client=self.name, compare=compare, writes=writes, others=others)
        looks = [Lookup(key) for key in (*KEYS, NUMBER)]
        wanted = Transaction(
            tuple(Comparison(key, _holds(value)) for key, value in compare),
            (*looks, *(Write(key, value) for key, value in writes)),
            (*looks, *(Write(key, value) for key, value in others)),
        )
        judged = await self._record(op, partial(self._judged, wanted), _seen)
        if judged is not None:
            self.known = dict(_reads(judged))
            self.known.update(writes if judged.succeeded else others)
            self.book.succeeded += judged.succeeded

    async def look(self) -> None:
        """Read all keys at one moment."""
        wanted = Transaction((), tuple(Lookup(key) for key in (*KEYS, NUMBER)))
        judged = await self._record(GroupOp(now(), client=self.name), partial(self._judged, wanted), _seen)
        if judged is not None:
            self.known = dict(_reads(judged))

    async def read_one(self, key: str) -> None:
        """Read a key."""

        def seen(value: Value) -> GroupOp:
            self.known[key] = value
            return GroupOp(0, succeeded=True, reads=((key, value),))

        ask = partial(read, self._node, key, Level.LINEARIZABLE)
        await self._record(GroupOp(now(), client=self.name), ask, seen)

    async def write_one(self, new: str) -> None:
        """Write or delete a key without looking at it."""
        key, value = self.rng.choice(KEYS), new if self.rng.random() < 0.8 else None
        level = self.rng.choice([Level.ONE, Level.QUORUM, Level.LINEARIZABLE])
        op = GroupOp(now(), client=self.name, writes=((key, value),))
        await self._record(
            op, partial(write, self._node, key, value, level), lambda _: GroupOp(0, succeeded=True)
        )

    async def compare_one(self, new: str) -> None:
        """Write a key if it has what was seen."""
        key = self.rng.choice(KEYS)
        value = self.known.get(key)
        op = GroupOp(now(), client=self.name, compare=((key, value),), writes=((key, new),))
        wanted = Write(key, new, condition=_holds(value))

        async def ask() -> tuple[bool, Value]:
            try:
                await self._until_done(
                    wanted, lambda p, w, end: p.engine.coordinator.write(w, Level.QUORUM, end)
                )
            except ConditionFailedError as error:
                return False, error.value
            return True, value

        def seen(answer: tuple[bool, Value]) -> GroupOp:
            self.known[key] = new if answer[0] else answer[1]
            return GroupOp(0, succeeded=answer[0], reads=((key, answer[1]),))

        await self._record(op, ask, seen)

    async def add(self) -> None:
        """Increase the number."""
        by = self.rng.choice([1, 2, 5])
        wanted = Write(NUMBER, str(by), edit=Increment(by))

        async def ask() -> int:
            written = await self._until_done(
                wanted, lambda p, w, end: p.engine.coordinator.write(w, Level.QUORUM, end)
            )
            return int(written.answer or 0)

        op = GroupOp(now(), client=self.name, adds=((NUMBER, by),))
        await self._record(op, ask, lambda total: GroupOp(0, succeeded=True, sums=((NUMBER, total),)))

    # --- how

    async def _judged(self, wanted: Transaction) -> Judged:
        if wanted.reads_only:
            judged, _ = await self._once(lambda p, end: p.engine.coordinator.transact(wanted, end))
            return judged
        judged, _ = await self._until_done(wanted, lambda p, w, end: p.engine.coordinator.transact(w, end))
        return judged

    async def _record(
        self, op: GroupOp, ask: Callable[[], Awaitable[T]], seen: Callable[[T], GroupOp]
    ) -> T | None:
        """Ask, and note what came of it. seen: what an answer shows, without times."""
        outcome, found, answer = Outcome.UNKNOWN, op, None
        try:
            answer = await ask()
            shown = seen(answer)
            outcome = Outcome.DONE
            found = replace(op, end=now(), succeeded=shown.succeeded, reads=shown.reads, sums=shown.sums)
        except Exception as error:
            outcome = outcome_of(error)
        finally:  # it may be cancelled
            self.book.outcomes[outcome] += 1
            if outcome is not Outcome.FAILED:
                self.book.ops.append(found)
        return answer

    @property
    def _node(self) -> SimNode:
        return self.rng.choice(list(self.sim.nodes.values()))

    async def _once(self, ask: Callable[[EngineProgram, float], Awaitable[T]]) -> T:
        node = self._node
        deadline = node.clock.monotonic() + 2.0
        return await node.ask(lambda program: ask(program, deadline), self.rng.choice(PATIENCE))

    async def _until_done(
        self, wanted: Any, ask: Callable[[EngineProgram, Any, float], Awaitable[Any]]
    ) -> Any:
        """In as many attempts as it takes, by half of the times, with an idempotency key; else once."""
        if self.rng.random() < 0.5:
            return await self._once(lambda program, end: ask(program, wanted, end))
        began = START_MS + int(now() * 1000) + self.rng.randint(-50, 50)
        wanted = wanted._replace(idempotency_key=began.to_bytes(6, "big") + self.rng.randbytes(10))
        failure: Exception = TimeoutError()
        is_unknown = False
        for attempt in range(ATTEMPTS):
            sent = wanted._replace(attempt=attempt)
            try:
                return await self._once(lambda program, end, sent=sent: ask(program, sent, end))
            except ConditionFailedError:
                raise
            except Exception as error:
                is_unknown = is_unknown or outcome_of(error) is not Outcome.FAILED
                failure = error
            await asyncio.sleep(self.rng.expovariate(1 / 0.05))
        raise TimeoutError if is_unknown else failure

    def _values(self, new: str, count: int) -> tuple[tuple[str, Value], ...]:
        """New values of some keys; a few are deleted."""
        return tuple(
            (key, None if self.rng.random() < 0.15 else f"{new}{key[-1]}")
            for key in self.rng.sample(KEYS, count)
        )


def _holds(value: Value) -> Condition:
    return Condition(version=0) if value is None else Condition(value=value)


def _reads(judged: Judged) -> list[tuple[str, Value]]:
    found = [step.found.value if step.found is not None else None for step in judged.steps[: len(KEYS) + 1]]
    return [*zip((*KEYS, NUMBER), found, strict=True)]


def _seen(judged: Judged) -> GroupOp:
    return GroupOp(0, succeeded=judged.succeeded, reads=tuple(_reads(judged)))
