"""The value that every key must hold, for a load test that compares.

It owns the judgement of a value. A key has one writer, so that its writes have an order. Memory: 16 bytes a
key, and a few for each write whose outcome is unknown.
"""

from array import array
from dataclasses import dataclass

from limedb.errors import brief
from limedb.load.plan import LoadPlan

Found = str | bytes | None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value other than the one that was written. expected, found: for people; None: no value."""

    key: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        return f"key {brief(self.key)}: expected {_shown(self.expected)}, found {_shown(self.found)}"


class Ledger:
    """The versions of all keys of a plan; version 0: never written, so that the key may have any value."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._begun = array("L", bytes(plan.keys * array("L").itemsize))
        self._stored = array("L", self._begun)
        self._unknown: dict[int, set[int]] = {}

    def next_version(self, number: int) -> int:
        """Return the version of a key's next write."""
        self._begun[number] += 1
        return self._begun[number]

    def stored(self, number: int, version: int) -> None:
        """Note that a write was acknowledged."""
        self._stored[number] = version

    def unknown(self, number: int, version: int) -> None:
        """Note that a write may have taken effect, or may do so later."""
        self._unknown.setdefault(number, set()).add(version)

    def has(self, number: int) -> bool:
        """Return whether a key has an acknowledged value."""
        return self._stored[number] > 0

    def compare(self, number: int, found: Found) -> Mismatch | None:
        """Judge a value that was found while no write of its key was under way; None: it is right."""
        version = self._stored[number]
        if not version:
            return None
        expected = self._plan.value(number, version)
        if found == expected:
            return None
        others = self._unknown.get(number, ())
        if any(found == self._plan.value(number, other) for other in others):
            return None
        return Mismatch(self._plan.key(number), _cut(expected), _cut(found))


class CountLedger:
    """The sums of all counters of a plan, each of which began at 0."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._done = array("L", bytes(plan.keys * array("L").itemsize))
        self._unknown = array("L", self._done)

    def added(self, number: int) -> None:
        """Note that an increment was acknowledged."""
        self._done[number] += 1

    def unknown(self, number: int) -> None:
        """Note that an increment may have taken effect, or may do so later."""
        self._unknown[number] += 1

    def compare(self, number: int, found: Found) -> Mismatch | None:
        """Judge a sum that was found after the load; None: it is right."""
        least, most = self._done[number], self._done[number] + self._unknown[number]
        is_number = isinstance(found, str) and found.isascii() and found.isdigit()
        if is_number and least <= int(found or "") <= most:
            return None
        expected = f"{least}" if least == most else f"{least} to {most}"
        return Mismatch(self._plan.key(number), expected, _cut(found))


def _cut(value: Found) -> str | None:
    return None if value is None else brief(value if isinstance(value, str) else value.hex(), 40)


def _shown(text: str | None) -> str:
    return "no value" if text is None else text
