"""Faults of conditional writes, each found by a search: `test_conditional.py`, and for promises that are lost
`test_promises.py`, since random events meet too rarely for these.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from limedb.core.hlc import is_ballot
from limedb.core.layout import Layout, Owners
from limedb.core.promises import Promises
from limedb.core.record import Record
from limedb.core.topology import Topology
from limedb.engine import World
from limedb.errors import UnavailableError
from limedb.ports import KeyPromises, Placement
from limedb.replication.conditional.proposer import ConditionalProposer
from limedb.replication.coordinator import Coordinator
from limedb.replication.fanout import ReplicaAcks
from limedb.replication.streaming.handoff import Handoff
from tests.simulation.faults import Fault, engine_with, world_with


def _promising(kind: type[Promises], *, keeps: bool = True) -> Fault:
    """A world whose promises are of another kind. keeps: whether they outlive a crash."""

    def change(world: World) -> World:
        known = world.operations.promises
        world.operations.promises = kind(known.by_key if keeps else {}, known.floor)
        return world

    return world_with(change)


def coordinating(kind: type[ConditionalProposer]) -> Fault:
    """A coordinator whose conditional writes are of another kind."""
    coordinator = type("FaultyCoordinator", (Coordinator,), {"conditional_class": kind})
    return engine_with(coordinator_class=coordinator)


class _RefuseNoBallots(Promises):
    def refused(self, records: Sequence[Record], now_ms: int, *, copied: bool) -> dict[int, int]:
        refused = super().refused(records, now_ms, copied=copied)
        return {place: top for place, top in refused.items() if not is_ballot(records[place].version)}


class _RefuseBallotsOnly(Promises):
    def refused(self, records: Sequence[Record], now_ms: int, *, copied: bool) -> dict[int, int]:
        refused = super().refused(records, now_ms, copied=copied)
        return {place: top for place, top in refused.items() if is_ballot(records[place].version)}


class _Guesses(ConditionalProposer):
    async def _send(self, *args: Any, **more: Any) -> ReplicaAcks:
        acks = await super()._send(*args, **more)
        if not acks.is_enough:
            raise UnavailableError("too few have answered; nothing was written")
        return acks


class _NaturalLayout:
    """A layout in which owners never change."""

    def __init__(self, inner: Layout) -> None:
        self._inner, self.topology = inner, inner.topology

    def of_key(self, key: str) -> Owners:
        owners = self._inner.of_key(key)
        return Owners(owners.natural, (), owners.replicas)


class _NaturalPlacement:
    def __init__(self, inner: Placement) -> None:
        self._inner = inner

    @property
    def layout(self) -> Any:
        return _NaturalLayout(self._inner.layout)

    def adopt(self, topology: Topology) -> None:
        self._inner.adopt(topology)


class _AsksTheNatural(ConditionalProposer):
    def __init__(self, placement: Placement, *others: Any) -> None:
        super().__init__(_NaturalPlacement(placement), *others)


class _HandsNothingOver(Handoff):
    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _take_nothing if name == "take_over" else value)


async def _take_nothing(promises: Iterable[KeyPromises]) -> None:
    pass


ACCEPTS_ANY_BALLOT = _promising(_RefuseNoBallots)
"""A conditional write is stored without a look at what was promised since."""

BLIND_WRITES_PASS = _promising(_RefuseBallotsOnly)
"""A write without a condition is stored whatever was promised."""

GUESSES = coordinating(_Guesses)
"""A conditional write that too few replicas have acknowledged is reported as not written."""

THE_NATURAL_OWNERS_ARE_ENOUGH = coordinating(_AsksTheNatural)
"""While owners change, conditional writes ask those that reads ask, and no others."""

PROMISES_DIE_WITH_THE_PROCESS = _promising(Promises, keeps=False)
"""A promise is not durable."""

PROMISES_STAY_BEHIND = engine_with(handoff_class=_HandsNothingOver)
"""New owners don't know what was promised."""
