"""The moments at which values expire, in milliseconds since 1970.

It owns how a date becomes such a number, and which numbers may be one.
"""

from datetime import UTC, datetime, timedelta

MIN_EXPIRES_AT_MS, MAX_EXPIRES_AT_MS = 10**11, 253_402_300_799_999
"""When a value may expire: from 1973, since a smaller number is a moment in seconds, to the end of 9999."""
EXPIRY_RANGE = (
    f"must be {MIN_EXPIRES_AT_MS} (in 1973) to {MAX_EXPIRES_AT_MS} (in 9999), in milliseconds since 1970"
)
"""The text of an error about a moment beyond these."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def can_expire(moment_ms: int) -> bool:
    """Whether a value may expire at this moment."""
    return MIN_EXPIRES_AT_MS <= moment_ms <= MAX_EXPIRES_AT_MS


def moment_of(date: datetime) -> int | None:
    """A date in milliseconds since 1970, rounded down; None: it has no time zone."""
    return None if date.utcoffset() is None else (date - _EPOCH) // timedelta(milliseconds=1)
