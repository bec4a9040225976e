"""Outcomes of one try of a call: a value, a receipt, no value, an error, or no answer at all.

It owns these values, and after which of them a call may be tried again. It must never send anything.
"""

from enum import Enum
from typing import Any, Final, NamedTuple

from limedb.core.receipt import Receipt
from limedb.errors import (
    LimeDBError,
    LimitExceededError,
    OutcomeUnknownError,
    RemoteError,
    RequestTimeoutError,
    UnavailableError,
)


class Entry(NamedTuple):
    """A key that a read or a scan found.

    value: None where a scan asked for keys only. size: the value's bytes, in UTF-8 for text. version: the
    version that it is stored under. expires_at_ms: when it expires, in milliseconds since 1970; 0: never.
    """

    key: str
    value: str | bytes | None
    size: int
    version: int
    expires_at_ms: int


class Missing(Enum):
    """A key without a value."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


class Stored(NamedTuple):
    """A write that was carried out. existed: the key had a value before."""

    receipt: Receipt
    existed: bool


class Edited(NamedTuple):
    """An edit that was carried out. answer: the new number or size, or the previous value; None: there was
    none.
    """

    receipt: Receipt
    answer: int | str | bytes | None


class Answered(NamedTuple):
    """A request that has an answer of its own kind, a message."""

    answer: Any


class NoAnswer(NamedTuple):
    """No answer came. address: the node's. begun: whether the node may have begun it. waited: the seconds
    after which time ran out, else 0.
    """

    address: str
    reason: str
    begun: bool
    waited: float = 0.0


Outcome = str | bytes | Entry | Missing | Stored | Edited | Answered | LimeDBError | NoAnswer


class RetryPolicy(Enum):
    """Whether a call is tried again, and where."""

    NO = "no"
    ANYWHERE = "anywhere"
    ELSEWHERE = "elsewhere"
    LATER = "later"
    """Anywhere, after the time that the node asked for: the client, not the node, is short of something."""


def again(outcome: Outcome, is_write: bool, repeatable: bool) -> RetryPolicy:
    """Return whether and where to retry. repeatable: nodes apply the write once, however often it is sent."""
    if isinstance(outcome, NoAnswer):
        may = not outcome.waited and (repeatable or not (is_write and outcome.begun))
        return RetryPolicy.ANYWHERE if may else RetryPolicy.NO
    if isinstance(outcome, OutcomeUnknownError):
        return RetryPolicy.ELSEWHERE if repeatable and outcome.may_pass else RetryPolicy.NO
    if not isinstance(outcome, LimeDBError) or not outcome.may_pass:
        return RetryPolicy.NO
    if isinstance(outcome, LimitExceededError):
        return RetryPolicy.LATER
    is_unheard = isinstance(outcome, RemoteError) and not is_write  # its class isn't known here
    return RetryPolicy.ELSEWHERE if outcome.nothing_written or is_unheard else RetryPolicy.NO


def asked_seconds(outcome: Outcome) -> float:
    """Return the time that a node asks its client to wait before the next try; 0: it asks for none."""
    return outcome.retry_seconds if isinstance(outcome, LimeDBError) else 0.0


def is_unknown(outcome: Outcome) -> bool:
    """Return whether a write may have taken effect nevertheless."""
    return isinstance(outcome, OutcomeUnknownError) or (isinstance(outcome, NoAnswer) and outcome.begun)


def error_of(key: str, outcome: Outcome, is_write: bool) -> LimeDBError | None:
    """Return the error that the caller gets for the last outcome; None: the call succeeded."""
    if not isinstance(outcome, NoAnswer):
        return outcome if isinstance(outcome, LimeDBError) else None
    if is_write and outcome.begun:
        return OutcomeUnknownError(key, 1, 0, {outcome.address: outcome.reason})
    if outcome.waited:
        late = RequestTimeoutError(outcome.waited, outcome.address or "the cluster")
        late.nothing_written = is_write  # it was never sent
        return late
    where = f" at {outcome.address}" if outcome.address else ""
    return UnavailableError(f"no node answers{where}: {outcome.reason}")
