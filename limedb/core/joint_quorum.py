"""Counts answers where both sides of a change must give enough: joint quorums.

It owns that count. It must never know which nodes are on a side: `core/layout.py` does, and says why a joint
quorum is safe.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any, TypeVar

from limedb.core.quorum import Quorum, Side
from limedb.core.quorum_call import Tally

A = TypeVar("A")


class JointTally(Tally[A]):
    """A question to the owners of a key, which is answered when each side has given enough.

    sides: the nodes of each, and their count. need: how many must do as asked where there are no sides. It is
    enough when all sides are, and hopeless as soon as one is.
    """

    __slots__ = ("sides",)

    def __init__(
        self, need: int, targets: Iterable[str], holders: Sequence[str] = (), sides: Sequence[Side] = ()
    ) -> None:
        """targets: the nodes to ask. holders: those that have done as asked already, which are not asked."""
        super().__init__(need, targets, holders=len(holders))
        self.sides: tuple[tuple[tuple[str, ...], Quorum], ...] = ()
        if sides:
            there = {*self.spare, *holders}
            totals = [len(there.intersection(side.members)) for side in sides]
            self.sides = tuple((s.members, Quorum(s.need, n)) for s, n in zip(sides, totals, strict=True))
            self.need = max(side.need for side in sides)
            for url in holders:
                self._count(url, Quorum.ack)

    @property
    def is_enough(self) -> bool:
        """Whether the level is reached."""
        if self.sides:
            return all(quorum.is_enough for _, quorum in self.sides)
        return self.acks >= self.need

    @property
    def is_hopeless(self) -> bool:
        """Whether the level can no longer be reached."""
        if self.sides:
            return any(quorum.is_hopeless for _, quorum in self.sides)
        return self.total - self.failures < self.need

    @property
    def needed(self) -> int:
        """How many replicas at least must have done as asked in the end, given those that already have."""
        if not self.sides:
            return self.need
        return self.acks + max(0, *(quorum.need - quorum.acks for _, quorum in self.sides))

    def ack_by(self, node_url: str) -> None:
        """Count a node that did as asked."""
        self.acks += 1
        self._count(node_url, Quorum.ack)

    def fail_by(self, node_url: str) -> None:
        """Count a node that will not do as asked."""
        self.failures += 1
        self._count(node_url, Quorum.fail)

    def copy_count(self, other: "JointTally[Any]") -> None:
        """Begin with the count of another question to the same nodes."""
        self.need, self.total, self.breadth = other.need, other.total, other.breadth
        self.acks, self.failures = other.acks, other.failures
        self.sides = tuple((members, copy(quorum)) for members, quorum in other.sides)

    def _count(self, node_url: str, how: Callable[[Quorum], None]) -> None:
        for members, quorum in self.sides:
            if node_url in members:
                how(quorum)
