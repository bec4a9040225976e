"""How many replicas must answer, and whether they still can.

It owns the arithmetic of levels. It must never know which nodes the replicas are.

Sources: Gifford 1979, "Weighted Voting for Replicated Data" (a read quorum and a write quorum of more than n
together share a replica); Cassandra's blockFor for replicas that are on their way in or out.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How many of a key's replicas stand behind an answer."""

    ONE = "one"
    QUORUM = "quorum"
    ALL = "all"
    LINEARIZABLE = "linearizable"


def majority(n: int) -> int:
    """More than half of n: any two majorities share a member."""
    return n // 2 + 1


def spare(n: int) -> int:
    """How many of n replicas may lack what a majority has."""
    return n - majority(n)


def needed(level: Level, n: int) -> int:
    """How many of n replicas a level asks for, 1 to n."""
    if level is Level.ONE:
        return 1
    return n if level is Level.ALL else majority(n)


class Side(NamedTuple):
    """The owners on one side of a change, and how many of them must do as asked."""

    members: tuple[str, ...]
    need: int


def lacking(sides: Iterable[Side], given: Collection[str]) -> int:
    """How many members one or more sides lack at least, if those given did as asked; at most 0: none."""
    return max(need - sum(url in given for url in members) for members, need in sides)


class Quorum:
    """Counts the answers of one request.

    need: answers that are enough. total: replicas that may answer. Once enough it stays enough; it is
    hopeless as soon as fewer than `need` can still answer, and never both.
    """

    __slots__ = ("acks", "failures", "need", "total")

    def __init__(self, need: int, total: int) -> None:
        self.need, self.total = need, total
        self.acks = self.failures = 0

    def ack(self) -> None:
        """Count an answer."""
        self.acks += 1

    def fail(self) -> None:
        """Count a replica that will give none."""
        self.failures += 1

    @property
    def is_enough(self) -> bool:
        """Whether the level is reached."""
        return self.acks >= self.need

    @property
    def is_hopeless(self) -> bool:
        """Whether the level can no longer be reached."""
        return self.total - self.failures < self.need

    @property
    def is_decided(self) -> bool:
        """Whether further answers can change nothing."""
        return self.is_enough or self.is_hopeless
