"""What callers of conditional writes learn if a condition doesn't hold.

It decides which of them get the key's current value: those that ask for it, and in a batch as long as there
is room. Whether they may read the key at all is checked before (`rules.py`, `batch_rules.py`).

Tested in tests/rpc/server/test_outcomes.py.
"""

from collections.abc import Sequence

from limedb.core.condition import Condition
from limedb.core.record import value_size
from limedb.errors import ConditionFailedError, LimeDBError
from limedb.replication.requests import Write, WriteBatch, Written
from limedb.wire.conditions import CuriousCondition

BATCH_BYTES = 1 << 20
"""The most bytes of values in the errors of one batch; further errors have only versions."""

FAILED = ("limedb-condition", "failed")
"""The trailer of a call whose condition doesn't hold: Envoy makes its answer 412."""
ETAG = "etag"


def trailers_of(error: BaseException) -> tuple[tuple[str, str], ...]:
    """The trailers by which Envoy answers in HTTP's form; empty: the error isn't about a condition."""
    if not isinstance(error, ConditionFailedError):
        return ()
    return (FAILED, (ETAG, f'"{error.version}"')) if error.exists else (FAILED,)


def as_shown(error: ConditionFailedError, condition: Condition | None) -> ConditionFailedError:
    """An error as the caller gets it: with the value only if the caller asked for it."""
    if not isinstance(condition, CuriousCondition):
        error.record = None
    return error


def batch_as_shown(
    writes: Sequence[Write], outcomes: Sequence[Written | LimeDBError]
) -> Sequence[Written | LimeDBError]:
    """The same for the outcomes of a batch."""
    if isinstance(writes, WriteBatch):  # none has a condition
        return outcomes
    room = BATCH_BYTES
    for write, outcome in zip(writes, outcomes, strict=True):
        if isinstance(outcome, ConditionFailedError):
            as_shown(outcome, write.condition)
            if outcome.record is not None:
                room -= value_size(outcome.record.value or "")
                if room < 0:
                    outcome.record = None
    return outcomes
