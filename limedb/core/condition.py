"""Conditions of writes: the state that a key must have for a write to take effect.

It owns the meaning of a condition. It must never read a key: the caller passes the record to judge.
"""

from typing import NamedTuple

from limedb.core.record import Record


class Condition(NamedTuple):
    """The state that a key must have; exactly one of the three is set.

    version: of its value; 0: it has none. value: text or bytes, of the same kind and content. exists: whether
    it has a value at all. A deleted or expired key has no value.
    """

    version: int | None = None
    value: str | bytes | None = None
    exists: bool | None = None

    def holds(self, record: Record | None, now_ms: int) -> bool:
        """Whether it holds for a stored record (None: nothing is stored) at a time, milliseconds since
        1970.
        """
        live = current(record, now_ms)
        if self.version is not None:
            return self.version == (live.version if live else 0)
        if self.value is not None:
            return live is not None and live.value == self.value
        return self.exists == (live is not None)

    @property
    def required(self) -> str:
        """The condition, in words. The text has no value: only the caller of this knows who may read it."""
        if self.value is not None:
            return "the expected value"
        if self.version:
            return f"version {self.version}"
        return "a value" if self.exists else "no value"


def current(record: Record | None, now_ms: int) -> Record | None:
    """A stored record, if it is a value at that time, milliseconds since 1970."""
    return record if record is not None and record.is_live(now_ms) else None
