"""The requests of clients to a cluster, and the answers.

It owns which outcomes are certain: what an answered error means for a write. The simulation and the scenarios
on real processes record alike.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from limedb import errors
from tests.support.linearizable import Kind, Op, Value


class Outcome(StrEnum):
    """What a client knows of an operation. FAILED: it did nothing. UNKNOWN: it may have, or still will."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


def outcome_of(error: BaseException) -> Outcome:
    """What an error says of a write: by the contract in limedb/errors, not by what was seen to happen."""
    proven = isinstance(error, errors.LimeDBError) and error.nothing_written
    if proven or isinstance(error, ConnectionRefusedError):
        return Outcome.FAILED
    return Outcome.UNKNOWN


class History:
    """Operations on registers, as the linearizability checker takes them. now: seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.ops: list[Op] = []
        self.counts: dict[Outcome, int] = dict.fromkeys(Outcome, 0)

    async def read(self, client: str, key: str, ask: Callable[[], Awaitable[Value]]) -> None:
        """Read and record; a read that fails is no operation."""
        await self._record(client, Kind.READ, key, None, ask)

    async def write(self, client: str, key: str, value: Value, ask: Callable[[], Awaitable[object]]) -> None:
        """Write or delete (None), and record."""
        await self._record(client, Kind.DELETE if value is None else Kind.WRITE, key, value, ask)

    async def _record(
        self, client: str, kind: Kind, key: str, value: Value, ask: Callable[[], Awaitable[object]]
    ) -> None:
        start = self._now()
        outcome, read = Outcome.UNKNOWN, value
        try:
            answer = await ask()
            outcome = Outcome.DONE
            if kind is Kind.READ:
                assert answer is None or isinstance(answer, str | bytes)
                read = answer
        except Exception as error:
            outcome = outcome_of(error)
        finally:
            self.counts[outcome] += 1
            if outcome is Outcome.DONE or (outcome is Outcome.UNKNOWN and kind is not Kind.READ):
                end = self._now() if outcome is Outcome.DONE else inf
                self.ops.append(Op(key, kind, read, start, end, client))


@dataclass
class Kept:
    """What a key with one writer may hold. Whatever had an unknown outcome may still take effect later."""

    values: set[Value] = field(default_factory=lambda: {None})
    unknown: set[Value] = field(default_factory=set)


class Ledger:
    """What keys must hold in the end, where each has one writer that does one thing after another."""

    def __init__(self) -> None:
        self.keys: dict[str, Kept] = {}
        self.counts: dict[Outcome, int] = dict.fromkeys(Outcome, 0)

    def note(self, key: str, value: Value, outcome: Outcome) -> None:
        """A write or delete (None) of a key had this outcome."""
        kept = self.keys.setdefault(key, Kept())
        self.counts[outcome] += 1
        if outcome is Outcome.DONE:
            kept.values = {value}
        elif outcome is Outcome.UNKNOWN:
            kept.unknown.add(value)

    def complaint(self, key: str, value: Value) -> str:
        """What is wrong with what was read of a key; empty: nothing."""
        kept = self.keys[key]
        if value in kept.values or value in kept.unknown:
            return ""
        expected = " or ".join(sorted(repr(v) for v in kept.values | kept.unknown))
        return f"key {key!r} holds {value!r}, and should hold {expected}"
