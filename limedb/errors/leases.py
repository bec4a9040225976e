"""Errors of leases that have expired or were revoked, or that have too many keys.

Tested in tests/replication/leases/test_leases.py.
"""

from limedb.errors.base import LimeDBError


class LeaseNotFoundError(LimeDBError, nothing_written=True):
    """The lease has expired, was revoked, or never existed. Attribute: lease, its id."""

    def __init__(self, lease: int) -> None:
        super().__init__(f"lease {lease} has ended, or never was: grant another; nothing was written")
        self.lease = lease


class LeaseFullError(LimeDBError, nothing_written=True):
    """The lease has as many keys as it may have. Attributes: lease, limit."""

    def __init__(self, lease: int, limit: int) -> None:
        super().__init__(f"lease {lease} has {limit} keys, the most that it may have: grant another")
        self.lease, self.limit = lease, limit
