"""Errors of locks that others hold, or that were lost.

Tested in tests/client/test_locks.py.
"""

from limedb.errors.base import LimeDBError, brief


class LockTakenError(LimeDBError, nothing_written=True):
    """Somebody else has the lock, and kept it for as long as the caller was willing to wait. Attributes: key,
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


class LeaseLostError(LockLostError):
    """The lease was not renewed in time, or was revoked: its keys are gone, or soon will be. Attributes:
    lease, why.
    """

    def __init__(self, lease: int, why: str) -> None:
        LimeDBError.__init__(self, f"lease {lease} is lost: {why}")
        self.lease, self.key, self.why = lease, "", why
