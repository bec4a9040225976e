"""A linearizability checker for several keys that change together: could the operations have happened one
after another?

It owns the search over what all keys hold. It must never guess: a search that grows over its bound is an
error, and no pass. As `linearizable.py`, which has the sources, but an operation compares, reads and writes
many keys.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from tests.support.linearizable import UndecidedError, Value

MAX_LOOKS = 400_000
"""Configurations that a search looks at before it gives up."""

State = frozenset[tuple[str, Value]]
"""What the keys hold that hold anything."""


@dataclass(frozen=True, slots=True)
class GroupOp:
    """A change or a read. compare: what keys must hold (None: nothing) for `writes`; otherwise `others` are
    written. adds: what is added to numbers, beside `writes`. succeeded: whether it was answered that all
    comparisons held. reads: what it was answered that keys held before; sums: and numbers hold afterwards.

    succeeded is None, and reads and sums are empty, where the outcome is unknown. start, end: as those of an
    Op.
    """

    start: float
    end: float = inf
    client: str = ""
    compare: tuple[tuple[str, Value], ...] = ()
    writes: tuple[tuple[str, Value], ...] = ()
    others: tuple[tuple[str, Value], ...] = ()
    adds: tuple[tuple[str, int], ...] = ()
    succeeded: bool | None = None
    reads: tuple[tuple[str, Value], ...] = ()
    sums: tuple[tuple[str, int], ...] = ()

    def after(self, state: State) -> State | None:
        """What the keys hold afterwards; None: it can't happen on this state."""
        held = dict(state)
        holds = all(held.get(key) == value for key, value in self.compare)
        if self.succeeded is not None and holds != self.succeeded:
            return None
        if any(held.get(key) != value for key, value in self.reads):
            return None
        held.update(self.writes if holds else self.others)
        for key, by in self.adds if holds else ():
            held[key] = str(int(held.get(key) or 0) + by)
        if any(held.get(key) != str(total) for key, total in self.sums):
            return None
        return frozenset((key, value) for key, value in held.items() if value is not None)

    @property
    def changes(self) -> bool:
        """Whether it may write anything."""
        on_success = self.succeeded is not False and (self.writes or self.adds)
        return bool(on_success or (self.succeeded is not True and self.others))

    @property
    def wants(self) -> set[tuple[str, Value]]:
        """What it shows that keys held."""
        return {*self.reads, *(self.compare if self.succeeded else ())}

    @property
    def is_maybe(self) -> bool:
        """Whether nobody knows if it took effect."""
        return self.end == inf


@dataclass(frozen=True, slots=True)
class Stuck:
    """A history that no order explains: the longest order that was found, what is held after it, and the
    operations of which none can be the next.
    """

    prefix: Sequence[GroupOp]
    held: Mapping[str, Value]
    stuck: Sequence[GroupOp]

    def __str__(self) -> str:
        return "\n".join(
            [
                "the group is not linearizable; the longest order found ends with",
                *(f"    {op}" for op in self.prefix[-12:]),
                f"  and leaves {dict(self.held)!r}; then none of these can follow:",
                *(f"    {op}" for op in self.stuck),
            ]
        )


def check_group(ops: Iterable[GroupOp], max_looks: int = MAX_LOOKS) -> Stuck | None:
    """Why a history is not linearizable; None: it is. UndecidedError."""
    return _Search([*ops]).run(max_looks)


@dataclass(slots=True)
class _Place:
    """A configuration: which operations are placed, and what is held then."""

    placed: int
    state: State
    path: tuple[int, "object"] | None = None
    branches: Iterator["_Place"] = field(default_factory=lambda: iter(()))


class _Search:
    def __init__(self, ops: Sequence[GroupOp]) -> None:
        certain = sorted((op for op in ops if not op.is_maybe), key=lambda op: (op.start, op.end))
        maybe = sorted((op for op in ops if op.is_maybe and op.changes), key=lambda op: op.start)
        self._ops = [*certain, *maybe]
        self._certain, self._all = len(certain), (1 << len(certain)) - 1
        self._wanted = [op.wants for op in certain]

    def run(self, max_looks: int) -> Stuck | None:
        seen: set[tuple[int, State]] = set()
        best = start = _Place(0, frozenset())
        start.branches = self._branches(start)
        stack = [start]
        while stack:
            if stack[-1].placed & self._all == self._all:
                return None
            at = next(stack[-1].branches, None)
            if at is None:
                stack.pop()
            elif (at.placed, at.state) not in seen:
                if len(seen) >= max_looks:
                    raise UndecidedError(
                        f"more than {max_looks} configurations of {len(self._ops)} operations"
                    )
                seen.add((at.placed, at.state))
                best = max(best, at, key=lambda place: (place.placed & self._all).bit_count())
                at.branches = self._branches(at)
                stack.append(at)
        return None if not self._all else self._stuck(best)

    def _next(self, placed: int) -> list[int]:
        """The certain operations that may come next: nothing to be placed ended before they began."""
        missing = [i for i in range(self._certain) if not placed >> i & 1]
        first_end = min((self._ops[i].end for i in missing), default=inf)
        return [i for i in missing if self._ops[i].start <= first_end]

    def _branches(self, at: _Place) -> Iterator[_Place]:
        following = self._next(at.placed)
        for i in sorted(following, key=lambda i: self._ops[i].end):
            if (state := self._ops[i].after(at.state)) is not None:
                yield _Place(at.placed | 1 << i, state, (i, at.path))
                if not self._ops[i].changes:
                    return  # a read that fits is placed at once: whatever else can be placed can be behind it
        first_end = min((self._ops[i].end for i in following), default=inf)
        for i in range(self._certain, len(self._ops)):
            if not at.placed >> i & 1 and self._ops[i].start <= first_end and self._may_explain(at, i):
                state = self._ops[i].after(at.state)
                if state is not None and state != at.state:
                    yield _Place(at.placed | 1 << i, state, (i, at.path))

    def _may_explain(self, at: _Place, i: int) -> bool:
        """Whether something that is still to be placed, or may be, shows what an unknown operation writes."""
        op = self._ops[i]
        if op.adds:
            return True
        written = {*op.writes, *op.others}
        open_certain = (self._wanted[j] for j in range(self._certain) if not at.placed >> j & 1)
        open_maybe = (
            {*self._ops[j].compare}
            for j in range(self._certain, len(self._ops))
            if j != i and not at.placed >> j & 1
        )
        return any(written & wants for wants in (*open_certain, *open_maybe))

    def _stuck(self, best: _Place) -> Stuck:
        prefix: list[GroupOp] = []
        path = best.path
        while path is not None:
            prefix.append(self._ops[path[0]])
            path = path[1]  # type: ignore[assignment]
        stuck = [self._ops[i] for i in self._next(best.placed)]
        return Stuck([*reversed(prefix)], dict(best.state), stuck)
