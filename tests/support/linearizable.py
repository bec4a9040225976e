"""A linearizability checker for registers: could the operations on a key have happened one after another?

It owns the search, key by key. It must never guess: a search that grows over its bound is an error, and
no pass.

A history is linearizable if each operation can be given a moment between its start and its end so that, in
the order of these moments, each read returns what the last write before it wrote. An operation whose outcome
is unknown may take effect at any moment from its start on, or never.

Sources: Wing & Gong 1993, "Testing and Verifying Concurrent Objects" (the search); Lowe 2017, "Testing for
Linearizability" (each pair of operations placed and value held is looked at once); Horn & Kroening 2015,
"Faster Linearizability Checking via P-Compositionality" (a history is linearizable if each key's is).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any

MAX_LOOKS = 1_000_000
"""Configurations that the search of one key looks at before it gives up, about half a minute."""

Value = str | bytes | None
"""What a register holds; None: nothing."""


class Kind(StrEnum):
    """What an operation does. A delete writes None. CAS writes where the register holds what it expects; one
    that failed, since it held something else, is a read of that. What answers the value before, as a
    get-and-set does, is a CAS on its answer. ADD adds to a number, APPEND to a text.
    """

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    CAS = "cas"
    ADD = "add"
    APPEND = "append"


EDITS = frozenset({Kind.ADD, Kind.APPEND})
"""What they write depends on what the register holds."""


@dataclass(frozen=True, slots=True)
class Op:
    """An operation on a register. value: what was written or read; None for a delete and for absence.

    expected: what a CAS needs. by, initial: what an ADD adds, and to what where nothing is held; its value
    is the sum that was answered. suffix: what an APPEND adds; its value is the size that was answered, in
    digits. Both values are None where the outcome is unknown.

    until: when an operation of unknown outcome can take effect at the latest.
    start, end: when it was asked and when it was answered, in the seconds of one clock; end is infinite where
    the outcome is unknown. Operations that failed for sure are no part of a history.
    """

    key: str
    kind: Kind
    value: Value
    start: float
    end: float = inf
    client: str = ""
    expected: Value = None
    until: float = inf
    by: int = 0
    initial: int = 0
    suffix: str = ""

    def fits(self, holds: Value) -> bool:
        """Whether it can take effect on what a register holds."""
        if self.kind is Kind.ADD:
            is_number = holds is None or _number(holds) is not None
            return is_number and (self.value is None or self.after(holds) == self.value)
        if self.kind is Kind.APPEND:
            return self.value is None or str(len(self.after(holds) or "")) == self.value
        return self.kind is not Kind.CAS or self.expected == holds

    def after(self, holds: Value) -> Value:
        """What the register holds afterwards, if it fits."""
        if self.kind is Kind.ADD:
            return str((self.initial if holds is None else _number(holds) or 0) + self.by)
        if self.kind is Kind.APPEND:
            return str(holds or "") + self.suffix
        return self.value

    @property
    def is_maybe(self) -> bool:
        """Whether nobody knows if it took effect."""
        return self.end == inf

    def __str__(self) -> str:
        end = "?" if self.is_maybe else f"{self.end:.4f}"
        what = self.kind if self.kind is Kind.DELETE else f"{self.kind} {self.value!r}"
        if self.kind is Kind.CAS:
            what += f" on {self.expected!r}"
        if self.kind is Kind.ADD:
            what += f" of {self.by}, from {self.initial}"
        if self.kind is Kind.APPEND:
            what += f" of {self.suffix!r}"
        return f"[{self.start:.4f} {end}] {self.client}: {what}"


def _number(value: Value) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Violation:
    """A history that no order explains. prefix: the longest that was explained; holds: the value after it.

    stuck: the operations that have to come next, none of which can be the next.
    """

    key: str
    prefix: tuple[Op, ...]
    holds: Value
    stuck: tuple[Op, ...]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"key {self.key!r} is not linearizable; the longest order found ends with",
                *(f"    {op}" for op in self.prefix[-12:]),
                f"  and leaves {self.holds!r}; then none of these can follow:",
                *(f"    {op}" for op in self.stuck),
            ]
        )


class UndecidedError(Exception):
    """The search grew over its bound: the history is neither passed nor refused."""


def check_history(ops: Iterable[Op], initial: Value = None, max_looks: int = MAX_LOOKS) -> list[Violation]:
    """The violations of a history, one a key at most, by key. initial: what keys hold before it.

    UndecidedError: over max_looks for a key.
    """
    by_key: dict[str, list[Op]] = defaultdict(list)
    for op in ops:
        by_key[op.key].append(op)
    found = (check_key(by_key[key], initial, max_looks) for key in sorted(by_key))
    return [violation for violation in found if violation is not None]


def check_key(ops: Sequence[Op], initial: Value = None, max_looks: int = MAX_LOOKS) -> Violation | None:
    """The violation of a history of one key; None: it is linearizable."""
    return _Search(ops, initial).run(max_looks)


@dataclass(frozen=True, slots=True)
class _Configuration:
    """placed: a bit for each operation; value: what is held then; path: in which order they were placed,
    as pairs of a number and the path before it.
    """

    placed: int
    value: Value
    path: Any

    def after(self, i: int, value: Value) -> "_Configuration":
        return _Configuration(self.placed | 1 << i, value, (i, self.path))


class _Search:
    """Depth first through what can come next.

    Two things keep it small and miss nothing. A read that may come next and fits is placed at once: it
    changes nothing, so whatever else is placed can be placed as well behind it. An unknown write is tried
    only where a read of its value, or a CAS on it, is still to be placed.
    """

    def __init__(self, ops: Sequence[Op], initial: Value) -> None:
        certain = sorted((op for op in ops if not op.is_maybe), key=lambda op: (op.start, op.end))
        maybe = [op for op in ops if op.is_maybe and op.kind is not Kind.READ]
        self._ops = [*certain, *sorted(maybe, key=lambda op: op.start)]
        self._certain = len(certain)
        self._all = (1 << len(certain)) - 1
        self._initial = initial
        self._reads: dict[Value, int] = defaultdict(int)  # a bit for each read, by the value that it returned
        for i, op in enumerate(certain):
            if op.kind is Kind.READ:
                self._reads[op.value] |= 1 << i
        self._wanted = self._reads.copy()  # the same, and a bit for each CAS by what it expects
        for i, op in enumerate(self._ops):
            if op.kind is Kind.CAS:
                self._wanted[op.expected] |= 1 << i
        self._has_edits = any(op.kind in EDITS for op in self._ops)
        self._slack = sum(abs(op.by) for op in maybe if op.kind is Kind.ADD)

    def run(self, max_looks: int) -> Violation | None:
        """Search to the end; the violation, or None."""
        seen: set[tuple[int, Value]] = set()
        best = start = self._with_reads(_Configuration(0, self._initial, None))
        stack = [iter([start])]
        while stack:
            at = next(stack[-1], None)
            if at is None:
                stack.pop()
            elif (at.placed, at.value) not in seen:
                if self._is_done(at):
                    return None
                if len(seen) >= max_looks:
                    raise UndecidedError(f"key {self._ops[0].key!r}: more than {max_looks} configurations")
                seen.add((at.placed, at.value))
                best = max(best, at, key=self._count)
                stack.append(self._branches(at))
        return None if self._is_done(start) else self._violation(best)

    def _is_done(self, at: _Configuration) -> bool:
        return at.placed & self._all == self._all

    def _count(self, at: _Configuration) -> int:
        return (at.placed & self._all).bit_count()

    def _next(self, placed: int) -> list[int]:
        """The certain operations that may come next: nothing to be placed ended before they began."""
        found: list[int] = []
        first_end = inf
        missing = ~placed & self._all
        i = (missing & -missing).bit_length() - 1  # the first one not placed
        while 0 <= i < self._certain and self._ops[i].start <= first_end:
            if not placed >> i & 1:
                found.append(i)
                first_end = min(first_end, self._ops[i].end)
            i += 1
        return [i for i in found if self._ops[i].start <= first_end]

    def _with_reads(self, at: _Configuration) -> _Configuration:
        """Place the reads that fit, as long as there are any."""
        while fitting := [i for i in self._next(at.placed) if self._reads[at.value] >> i & 1]:
            for i in fitting:
                at = at.after(i, at.value)
        return at

    def _branches(self, at: _Configuration) -> Iterator[_Configuration]:
        """What may come next, the one that has to be over first before the others."""
        following = [
            i
            for i in self._next(at.placed)
            if self._ops[i].kind is not Kind.READ and self._ops[i].fits(at.value)
        ]
        for i in sorted(following, key=lambda i: self._ops[i].end):
            yield self._with_reads(at.after(i, self._ops[i].after(at.value)))
        for i in self._unknown(at):
            yield self._with_reads(at.after(i, self._ops[i].after(at.value)))

    def _unknown(self, at: _Configuration) -> Iterator[int]:
        """The unknown operations that could explain a read: not before they were asked.

        Of those that write the same, as deletes do, the first asked can stand wherever a later one can.
        """
        first_end = min((self._ops[i].end for i in self._next(at.placed)), default=inf)
        tried: set[tuple[Value, int, int]] = set()
        last = (at.placed & self._all).bit_length() - 1
        placed_start = self._ops[last].start if last >= 0 else -inf
        for i in range(self._certain, len(self._ops)):
            op = self._ops[i]
            if at.placed >> i & 1 or not op.fits(at.value) or placed_start > op.until:
                continue
            value = op.after(at.value)
            if (value, op.by, op.initial) in tried or not self._may_explain(value, at.placed, i):
                continue
            tried.add((value, op.by, op.initial))
            if self._ops[i].start <= first_end:
                yield i

    def _may_explain(self, value: Value, placed: int, i: int) -> bool:
        """Whether a value is wanted by what is still to be placed, operation i aside; or, with edits, whether
        what is made of it may be.
        """
        if self._wanted[value] & ~placed & ~(1 << i):
            return True
        return self._has_edits and any(
            self._may_lead(value, op)
            for place, op in enumerate(self._ops[: self._certain])
            if not placed >> place & 1
        )

    def _may_lead(self, value: Value, op: Op) -> bool:
        """Whether edits of unknown outcome may make of a value what an operation needs."""
        if op.kind is Kind.APPEND:
            return int(op.value or 0) >= len(str(value or "")) + len(op.suffix)
        if op.kind is Kind.ADD:
            sums = [int(op.value or 0) - op.by, *([None] if op.value == str(op.initial + op.by) else [])]
        elif op.kind in (Kind.READ, Kind.CAS):
            needed = op.value if op.kind is Kind.READ else op.expected
            if isinstance(needed, str) and isinstance(value, str) and needed.startswith(value):
                return True
            sums = [_number(needed)]
        else:
            return False
        if value is None:
            return True
        number = _number(value)
        return number is not None and any(
            needed is not None and abs(needed - number) <= self._slack for needed in sums
        )

    def _violation(self, best: _Configuration) -> Violation:
        prefix: list[Op] = []
        path = best.path
        while path is not None:
            prefix.append(self._ops[path[0]])
            path = path[1]
        stuck = [self._ops[i] for i in self._next(best.placed)]
        return Violation(stuck[0].key, tuple(reversed(prefix)), best.value, tuple(stuck))
