"""The result of an operation on a key's record, and the knowledge about its attempts.

It owns the judgement of a record and the next content: for a condition, for an edit, for both. It must never
send.
"""

from collections.abc import Sequence
from typing import NamedTuple

from limedb.core.condition import Condition, current
from limedb.core.conditional import Attempts
from limedb.core.edits import recalled, remembered
from limedb.core.idempotency import MARGIN_MS
from limedb.core.layout import Owners
from limedb.core.leases import mark_in, split
from limedb.core.quorum import Level, Side
from limedb.core.record import Past, Record, is_expired
from limedb.errors import ConditionFailedError, LimeDBError, OutcomeUnknownError, UnavailableError, brief
from limedb.replication.conditional.rounds import PromiseRound
from limedb.replication.idempotency.proposer import began_ms, operation_of
from limedb.replication.requests import Write

FRESH_MS = MARGIN_MS // 2
"""How long after a write began, by its idempotency key, its first attempt counts as the only one."""

RETRY_SECONDS = 0.1
"""The time after which a late first attempt may be made again."""


class Content(NamedTuple):
    """The content to store. value: None deletes. expires_at: milliseconds since 1970; 0: never. answer: of an
    edit, for the caller. outcome: the form in which the record remembers the answer; empty: it need not.
    """

    value: str | bytes | None
    expires_at: int = 0
    answer: str | bytes | None = None
    outcome: bytes = b""


class Ready(NamedTuple):
    """Whether an operation can judge a round. above: it can't, and the next ballot must be above that.
    settles: it can't before the newest record is on a quorum.
    """

    above: int = 0
    settles: bool = False


GO_ON = Ready()


class Operation:
    """A change of one key: it judges the key's record, and makes the next content from that.

    attempts: of it, so far. settles: how often it has tried to complete a half-done write. need, total:
    replicas, for errors.
    """

    def __init__(self, key: str, attempts: Attempts) -> None:
        self.key, self.attempts = key, attempts
        self.settles = self.need = self.total = 0

    def sides_of(self, owners: Owners) -> Sequence[Side]:
        """The owners on each side, and how many of them must take part, while owners change; none: they don't
        change.
        """
        return owners.sides(Level.QUORUM)

    def begin_round(self, now_ms: int) -> None:
        """Note the time of a round, milliseconds since 1970."""

    def next(self, newest: Record | None, now_ms: int) -> Content | None:
        """The content to store on top of the newest record at a time, milliseconds since 1970; None: the
        record may not be changed.
        """
        return None

    def may_have_held(self, newest: Record | None, now_ms: int) -> bool:
        """Whether the condition might have held earlier for the newest record, which may not be changed now,
        or for a record that has expired and is purged.
        """
        return newest is None or (newest.value is not None and is_expired(newest.expires_at, now_ms))

    def sent(self, version: int, content: Content) -> None:
        """Note an attempt that may take effect."""
        self.attempts = self.attempts.with_sent(version)

    def answer_of(self, own: Past) -> str | bytes | None:
        """The answer of the attempt that made a state. LookupError: it is forgotten."""
        return None

    def unknown(self) -> LimeDBError:
        """The error where nobody remembers whether an attempt took effect."""
        return OutcomeUnknownError(
            self.key, self.need, 0, {"its replicas": "others may have written the key since"}
        )

    @property
    def may_be_stored(self) -> bool:
        """Whether some attempt may still take effect."""
        return bool(self.attempts.sent) or self.attempts.since_ms > 0

    @property
    def existed_if_done(self) -> bool:
        """Whether the key had a value before an attempt whose state nobody remembers took effect."""
        return False

    async def prepare(self, asked: PromiseRound, deadline: float) -> Ready:
        """Get ready to judge the records of a quorum that has promised, before `next` is called.
        LimeDBError.
        """
        return GO_ON


class Look(Operation):
    """Writes nothing: it only completes a half-done write."""

    def __init__(self, key: str) -> None:
        super().__init__(key, Attempts())


class FetchingLook(Look):
    """The same for a node that fetches the key."""

    def sides_of(self, owners: Owners) -> Sequence[Side]:
        """As Operation.sides_of."""
        return owners.sides_to_settle()


class RepeatableOperation(Operation):
    """A change that a client may send in several attempts, with an idempotency key."""

    def __init__(self, key: str, name: bytes, idempotency_key: bytes, attempt: int) -> None:
        """name: of the change in all attempts; empty: it has no idempotency key."""
        self._began_ms = began_ms(idempotency_key) if idempotency_key else 0
        since_ms = self._began_ms - MARGIN_MS if idempotency_key and attempt else 0
        super().__init__(key, Attempts((), name, since_ms))
        self._late_ms = 0

    @property
    def never_returns(self) -> bool:
        """Whether it can take effect on one state of its key only, which never comes back."""
        return False

    def begin_round(self, now_ms: int) -> None:
        """As Operation.begin_round. A first attempt that a node reads late, for example after it was frozen,
        may no longer be the only one, so the node looks for the outcome of others. For a condition on a
        version that isn't needed, since a version never returns.
        """
        late_ms = now_ms - self._began_ms
        is_fresh = not self._began_ms or -MARGIN_MS <= late_ms <= FRESH_MS
        is_only = is_fresh or self.never_returns
        if not (is_only or self.may_be_stored):
            self._late_ms = late_ms
            self.attempts = self.attempts._replace(since_ms=self._began_ms - MARGIN_MS)

    def unknown(self) -> LimeDBError:
        """As Operation.unknown. Only the client knows whether a late first attempt is the only one."""
        if not self._late_ms or self.attempts.sent:
            return super().unknown()
        error = UnavailableError(
            f"the write of key {brief(self.key)} came {self._late_ms} ms after the time in its idempotency"
            " key, and others may have written the key since; nothing was written. Try again with a new"
            " idempotency key, and set the client's clock right (NTP)"
        )
        error.retry_seconds = RETRY_SECONDS
        return error

    @property
    def may_be_stored(self) -> bool:
        """As Operation.may_be_stored."""
        return bool(self.attempts.sent) or (self.attempts.since_ms > 0 and not self._late_ms)


class ConditionalWrite(RepeatableOperation):
    """A client's write that depends on the state of the key: by a condition, an edit, or the expiry."""

    def __init__(self, write: Write) -> None:
        name = operation_of(write).id if write.idempotency_key else b""
        super().__init__(write.key, name, write.idempotency_key, write.attempt)
        self.write = write
        self._answers: dict[int, str | bytes | None] = {}

    @property
    def never_returns(self) -> bool:
        """As RepeatableOperation.never_returns."""
        return self.write.condition is not None and bool(self.write.condition.version)

    def next(self, newest: Record | None, now_ms: int) -> Content | None:
        """As Operation.next. A moment to expire that has passed deletes."""
        write, live = self.write, current(newest, now_ms)
        if write.condition is not None and not write.condition.holds(newest, now_ms):
            return None
        try:
            made = made_of(write, live, now_ms)
        except LimeDBError:
            return None
        is_remembered = write.edit is not None and self.attempts.operation
        return made._replace(outcome=made.outcome + remembered(made.answer)) if is_remembered else made

    def refusal(self, stands: Record | None, now_ms: int) -> LimeDBError:
        """Why a record may not be changed."""
        live = current(stands, now_ms)
        if self.write.condition is None or self.write.condition.holds(stands, now_ms):
            try:
                made_of(self.write, live, now_ms)
            except LimeDBError as error:
                return error
        return condition_failed(self.key, self.write.condition or Condition(), live)

    def may_have_held(self, newest: Record | None, now_ms: int) -> bool:
        """As Operation.may_have_held."""
        condition, version = self.write.condition, newest.version if newest is not None else 0
        is_ahead = condition is not None and (condition.version or 0) > version
        return is_ahead or super().may_have_held(newest, now_ms)

    def sent(self, version: int, content: Content) -> None:
        """As Operation.sent."""
        super().sent(version, content)
        self._answers[version] = content.answer

    def answer_of(self, own: Past) -> str | bytes | None:
        """As Operation.answer_of."""
        if self.write.edit is None:
            return None
        if own.version in self._answers:
            return self._answers[own.version]
        _, answer = split(own.outcome)
        if not answer:
            raise LookupError
        return recalled(answer)

    @property
    def existed_if_done(self) -> bool:
        """As Operation.existed_if_done."""
        condition = self.write.condition
        return condition is not None and bool(
            condition.version or condition.value is not None or condition.exists
        )


def condition_failed(key: str, condition: Condition, live: Record | None) -> ConditionFailedError:
    """The error of a condition that doesn't hold. live: the current value of the key; None: it has none."""
    failed = ConditionFailedError(key, live.version if live else 0, live is not None, condition.required)
    failed.record = live
    return failed


def made_of(write: Write, live: Record | None, now_ms: int) -> Content:
    """The result of a write on the value that its key has at a time, milliseconds since 1970 (None: it has
    none). A moment to expire that has passed deletes. A write that keeps the life of the value keeps its
    lease, too. EditRefusedError, ValueTooLargeError.
    """
    value, answer = write.value, None
    if write.edit is not None:
        value, answer = write.edit.of(write.key, live.value if live else None, write.value)
    if value is None or is_expired(write.expires_at_ms, now_ms):
        return Content(None, 0, answer)
    if write.keep_ttl or (live is not None and write.edit is not None and write.edit.keeps_life):
        return Content(value, live.expires_at if live else 0, answer, mark_in(live))
    return Content(value, now_ms + write.ttl_ms if write.ttl_ms else write.expires_at_ms, answer)


class OvertakenWrite(Operation):
    """A write without a condition, with a final version, that met a promise. record: as it was sent."""

    def __init__(self, record: Record, operation: bytes) -> None:
        super().__init__(record.key, Attempts((record.version,), operation))
        self._content = Content(record.value, record.expires_at)

    def next(self, newest: Record | None, now_ms: int) -> Content | None:
        """As Operation.next: it always may."""
        return self._content
