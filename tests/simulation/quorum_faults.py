"""Faults of the count of answers, which stands under reads, writes and the topology's votes.

It owns two ways to count wrongly, each planted as the driver of an engine's quorum calls.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from limedb.aio.quorum_driver import Ask, Heard, QuorumDriver
from limedb.core.joint_quorum import JointTally
from limedb.core.quorum_call import QuorumCall, Tally
from tests.simulation.faults import engine_with


class _CountsTwice(QuorumCall[Any]):
    """A call that another one stands for: it hears each answer twice."""

    def __init__(self, call: QuorumCall[Any]) -> None:
        self._call = call

    def __getattribute__(self, name: str) -> Any:
        if name in ("_call", "on_answer"):
            return object.__getattribute__(self, name)
        return getattr(self._call, name)

    def on_answer(
        self, node_url: str, tallies: Sequence[Tally[Any]], answers: Sequence[object]
    ) -> Mapping[str, list[Any]]:
        first = self._call.on_answer(node_url, tallies, answers)
        for tally in tallies:
            tally.waiting[node_url] = None
        return {**first, **self._call.on_answer(node_url, tallies, answers)}


class _TwiceDriver(QuorumDriver):
    async def run(self, call: QuorumCall[Any], ask: Ask[Any], heard: Heard[Any] | None = None) -> None:
        await super().run(_CountsTwice(call), ask, heard)


class _ShortDriver(QuorumDriver):
    async def run(self, call: QuorumCall[Any], ask: Ask[Any], heard: Heard[Any] | None = None) -> None:
        for tally in call.tallies:
            tally.need = max(1, tally.need - 1)
        await super().run(call, ask, heard)


AN_ANSWER_COUNTS_TWICE = engine_with(driver_class=_TwiceDriver)
"""A quorum call takes one node's answer for two."""

ONE_SHORT_IS_ENOUGH = engine_with(driver_class=_ShortDriver)
"""A quorum call succeeds with one answer fewer than its level needs."""


class _OneSideDriver(QuorumDriver):
    side = 0

    async def run(self, call: QuorumCall[Any], ask: Ask[Any], heard: Heard[Any] | None = None) -> None:
        for tally in call.tallies:
            if isinstance(tally, JointTally):
                tally.sides = tally.sides[self.side :][:1]
        await super().run(call, ask, heard)


class _NewSideDriver(_OneSideDriver):
    side = 1


THE_SIDE_THAT_IS_READ_IS_ENOUGH = engine_with(driver_class=_OneSideDriver)
"""While owners change, a write counts as done when those have it that reads ask now."""

THE_OTHER_SIDE_IS_ENOUGH = engine_with(driver_class=_NewSideDriver)
"""While owners change, a write counts as done when those have it that reads don't ask."""
