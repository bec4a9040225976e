"""Clients that keep leases alive, with keys attached to them, and let them end.

It owns what they ask, and what must hold: a key is there while its lease was renewed lately, and gone once
the lease was revoked, or not renewed for long. Each client has keys of its own, which nobody else writes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from limedb.core.condition import Condition
from limedb.core.edits import Append
from limedb.core.quorum import Level
from limedb.errors import LeaseNotFoundError, LimeDBError
from limedb.replication.requests import Write
from tests.simulation.conditional import PATIENCE
from tests.simulation.node import SimNode, Value
from tests.simulation.program import EngineProgram
from tests.simulation.sim import Sim
from tests.simulation.workloads import SKEW, all_of, now, read, wait_turn

T = TypeVar("T")
TTL = 4.0
"""Seconds that a lease lives without a renewal."""


@dataclass
class LeaseBook:
    """What came of it: how often keys were seen to be there, and gone."""

    renewed: int = 0
    there: int = 0
    revoked: int = 0
    expired: int = 0


async def use_leases(sim: Sim, book: LeaseBook, *, clients: int = 5, seconds: float = 25.0) -> None:
    """Clients have one lease after another, through any node."""
    end = now() + seconds

    async def run(client: int) -> None:
        rng, count = sim.rng(f"client {client}"), 0
        while await wait_turn(rng, 0.2, end):
            count += 1
            await _LeaseClient(sim, book, rng, f"l{client}.{count}").live()

    await all_of(run(client) for client in range(clients))


@dataclass
class _LeaseClient:
    """One lease, from its beginning to its end. name: that keys begin with which nobody else writes.

    lease: its id; 0: there is none. sure_until: until when it lives at least, by what was acknowledged;
    over_at: when it has ended at the latest, by what was asked.
    """

    sim: Sim
    book: LeaseBook
    rng: Random
    name: str
    lease: int = 0
    sure_until: float = 0.0
    over_at: float = 0.0

    async def live(self) -> None:
        """Grant it, attach keys, renew it some times, and let it end."""
        began = now()
        self.over_at = now() + TTL
        lease = await self._asked(
            lambda program, end: program.engine.coordinator.leases.grant(int(TTL * 1000), end)
        )
        if lease is None:
            return
        self.lease, self.sure_until = lease, began + TTL - SKEW
        keys = [f"{self.name}.{i}" for i in range(self.rng.randint(1, 3))]
        attached = [key for key in keys if await self._attach(key)]
        for _ in range(self.rng.randint(0, 6)):
            await self._renew()
            await self._extend(self.rng.choice(keys))
            await self._check_there(attached)
            await asyncio.sleep(self.rng.uniform(0.1, 1.5))
        if self.rng.random() < 0.5 and await self._revoke():
            await self._check_gone(keys)
            self.book.revoked += 1
            return
        await asyncio.sleep(
            max(0.0, self.over_at + TTL + 2 * SKEW - now())
        )  # a renewal may have died halfway
        await self._check_gone(keys)
        self.book.expired += 1

    async def _attach(self, key: str) -> bool:
        wanted = Write(key, self.name, lease=self.lease)
        return (
            await self._asked(
                lambda program, end: program.engine.coordinator.write(wanted, Level.QUORUM, end)
            )
            is not None
        )

    async def _extend(self, key: str) -> None:
        """Append to a key, if it is there: that keeps its lease."""
        wanted = Write(key, "+", condition=Condition(exists=True), edit=Append(1000))
        await self._asked(lambda program, end: program.engine.coordinator.write(wanted, Level.QUORUM, end))

    async def _renew(self) -> None:
        began = now()
        found = await self._asked(
            lambda program, end: program.engine.coordinator.leases.renew(self.lease, end)
        )
        self.over_at = now() + TTL
        if found is not None:
            self.sure_until = began + TTL - SKEW
            self.book.renewed += 1

    async def _revoke(self) -> bool:
        return (
            await self._asked(lambda program, end: program.engine.coordinator.leases.revoke(self.lease, end))
            is not None
        )

    async def _check_there(self, keys: list[str]) -> None:
        """Keys are there, as far as they are read before the lease may have ended."""
        for key in keys:
            found = await self._read(key)
            if now() < self.sure_until and found is not Ellipsis:
                assert str(found or "").startswith(self.name), (
                    f"{key} is gone, and its lease {self.lease} lives"
                )
                self.book.there += 1

    async def _check_gone(self, keys: list[str]) -> None:
        for key in keys:
            found = await self._read(key)
            assert found is None or found is Ellipsis, f"{key} is there, and its lease {self.lease} has ended"

    async def _read(self, key: str) -> "Value | type(Ellipsis)":  # type: ignore[valid-type]
        """The value of a key; None: it has none; ...: it could not be read."""
        try:
            return await read(self._node, key, Level.LINEARIZABLE)
        except (LimeDBError, ConnectionError, TimeoutError):
            return ...

    async def _asked(self, ask: Callable[[EngineProgram, float], Awaitable[T]]) -> T | None:
        """What a node answers; None: it is unknown what came of it. A lease that is gone early is a fault."""
        node = self._node
        deadline = node.clock.monotonic() + 2.0
        try:
            return await node.ask(lambda program: ask(program, deadline), self.rng.choice(PATIENCE))
        except LeaseNotFoundError:
            assert now() >= self.sure_until, f"lease {self.lease} has ended too early"
            return None
        except (LimeDBError, ConnectionError, TimeoutError):
            return None

    @property
    def _node(self) -> SimNode:
        return self.rng.choice(list(self.sim.nodes.values()))
