"""Locks that can't be had, or no longer.

Tested in tests/client/test_locks.py.
"""

from limedb.errors.base import LimeDBError, brief


class LockTakenError(LimeDBError, nothing_written=True):
    """Somebody else has the lock, and kept it for as long as the caller was ready to wait. Attributes: key,
    holder (its name; empty: unknown).
    """

    def __init__(self, key: str, holder: str) -> None:
        super().__init__(f"lock {brief(key)} is taken by {brief(holder) if holder else 'somebody else'}")
        self.key, self.holder = key, holder


class LockLostError(LimeDBError):
    """The lock is no longer held: somebody else may have it. Attributes: key, why."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"lock {brief(key)} is lost: {why}")
        self.key, self.why = key, why
