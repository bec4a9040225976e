"""Faults of the count of answers, which stands under reads, writes and the topology's votes.

It owns two ways to count wrongly. The count has no seam, since all of a node goes by the same one: public
methods of its classes are replaced, for one test.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from limedb.core.quorum_call import QuorumCall, Tally


def an_answer_counts_twice(patch: pytest.MonkeyPatch) -> None:
    """A quorum call takes one node's answer for two."""
    sound = QuorumCall.on_answer

    def on_answer(
        self: QuorumCall[Any], node_url: str, tallies: Sequence[Tally[Any]], answers: Sequence[object]
    ) -> Mapping[str, list[Any]]:
        first = sound(self, node_url, tallies, answers)
        for tally in tallies:
            tally.waiting[node_url] = None
        return {**first, **sound(self, node_url, tallies, answers)}

    patch.setattr(QuorumCall, "on_answer", on_answer)


def one_short_is_enough(patch: pytest.MonkeyPatch) -> None:
    """A quorum call succeeds with one answer fewer than its level needs."""
    sound = Tally.__init__

    def init(self: Tally[Any], need: int, targets: Iterable[str], *, holders: int = 0) -> None:
        sound(self, max(1, need - 1), targets, holders=holders)

    patch.setattr(Tally, "__init__", init)
