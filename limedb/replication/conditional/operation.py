"""What a conditional write wants of a key, and what is known of its attempts.

It owns the judgement of its condition. It must never send.

Tested in tests/replication/conditional/test_proposer.py.
"""

from typing import NamedTuple

from limedb.core.condition import current
from limedb.core.conditional import Attempts
from limedb.core.idempotency import MARGIN_MS
from limedb.core.record import Record, is_expired
from limedb.replication.idempotency.proposer import began_ms, operation_of
from limedb.replication.requests import Write


class Content(NamedTuple):
    """What is to be stored. value: None deletes. expires_at: milliseconds since 1970; 0: never."""

    value: str | bytes | None
    expires_at: int = 0


class Operation:
    """A write of one key. attempts: of it, so far. settles: how often a half-done write was to be brought to
    an end. need, total: replicas, for errors.
    """

    def __init__(self, key: str, attempts: Attempts) -> None:
        self.key, self.attempts = key, attempts
        self.settles = self.need = self.total = 0

    def judge(self, newest: Record | None, now_ms: int) -> Content | None:
        """What to store on top of the newest record at a time, milliseconds since 1970; None: the condition
        fails.
        """
        return None

    def may_have_held(self, newest: Record | None, now_ms: int) -> bool:
        """Whether the condition, which fails for the newest record now, may have held for it earlier, or for
        one that has expired and is purged.
        """
        return newest is None or (newest.value is not None and is_expired(newest.expires_at, now_ms))

    @property
    def may_be_stored(self) -> bool:
        """Whether some attempt may take effect yet."""
        return bool(self.attempts.sent) or self.attempts.since_ms > 0


class Look(Operation):
    """Nothing is to be written: only a half-done write is to be brought to an end."""

    def __init__(self, key: str) -> None:
        super().__init__(key, Attempts())


class ConditionalWrite(Operation):
    """A client's conditional write."""

    def __init__(self, write: Write) -> None:
        operation, since_ms = b"", 0
        if write.idempotency_key:
            operation = operation_of(write).id
            since_ms = began_ms(write.idempotency_key) - MARGIN_MS if write.attempt else 0
        super().__init__(write.key, Attempts((), operation, since_ms))
        self.write = write

    def judge(self, newest: Record | None, now_ms: int) -> Content | None:
        """As Operation.judge. A moment to expire that has passed deletes."""
        write = self.write
        if write.condition is not None and not write.condition.holds(newest, now_ms):
            return None
        if write.value is None or is_expired(write.expires_at_ms, now_ms):
            return Content(None)
        if write.keep_ttl:
            live = current(newest, now_ms)
            return Content(write.value, live.expires_at if live else 0)
        return Content(write.value, now_ms + write.ttl_ms if write.ttl_ms else write.expires_at_ms)

    def may_have_held(self, newest: Record | None, now_ms: int) -> bool:
        """As Operation.may_have_held."""
        condition, version = self.write.condition, newest.version if newest is not None else 0
        is_ahead = condition is not None and (condition.version or 0) > version
        return is_ahead or super().may_have_held(newest, now_ms)

    @property
    def existed_if_done(self) -> bool:
        """Whether the key had a value before an attempt whose state nobody remembers took effect."""
        condition = self.write.condition
        return condition is not None and bool(
            condition.version or condition.value is not None or condition.exists
        )


class OvertakenWrite(Operation):
    """A write without a condition whose version is final, and which met a promise. record: as it was sent."""

    def __init__(self, record: Record, operation: bytes) -> None:
        super().__init__(record.key, Attempts((record.version,), operation))
        self._content = Content(record.value, record.expires_at)

    def judge(self, newest: Record | None, now_ms: int) -> Content | None:
        """As Operation.judge: it always holds."""
        return self._content
