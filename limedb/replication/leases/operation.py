"""The operations on keys that are attached to a lease.

It owns the next content of such a key. It must never send: `leases.py` lets others carry it out.
`core/leases.py` argues why the order of these writes is safe.

Tested in tests/replication/leases/test_leases.py.
"""

from limedb.core.condition import current
from limedb.core.conditional import Attempts
from limedb.core.leases import is_attached, mark_of
from limedb.core.record import Record, is_expired
from limedb.replication.conditional.operation import ConditionalWrite, Content, Operation
from limedb.replication.requests import Write


class AttachingWrite(ConditionalWrite):
    """A client's write whose value is attached to a lease. write: it expires with the lease. is_late: the
    lease had already expired.
    """

    def __init__(self, write: Write, lease: int) -> None:
        super().__init__(write)
        self.lease, self.is_late = lease, False

    def next(self, newest: Record | None, now_ms: int) -> Content | None:
        """As Operation.next. A write that comes after the lease has expired changes nothing."""
        self.is_late = is_expired(self.write.expires_at_ms, now_ms)
        content = None if self.is_late else super().next(newest, now_ms)
        return None if content is None else content._replace(outcome=mark_of(self.lease))


class ChangeAttached(Operation):
    """A change of a key that is attached to a lease; it leaves a detached key as it is."""

    def __init__(self, key: str, lease: int) -> None:
        super().__init__(key, Attempts())
        self._lease = lease

    def _attached(self, newest: Record | None, now_ms: int) -> Record | None:
        live = current(newest, now_ms)
        return live if is_attached(live, self._lease) else None


class Extension(ChangeAttached):
    """Lets the value of an attached key live until a time, milliseconds since 1970. It is never shortened."""

    def __init__(self, key: str, lease: int, until_ms: int) -> None:
        super().__init__(key, lease)
        self._until_ms = until_ms

    def next(self, newest: Record | None, now_ms: int) -> Content | None:
        """As Operation.next."""
        live = self._attached(newest, now_ms)
        if live is None or live.expires_at >= self._until_ms:
            return None
        return Content(live.value, self._until_ms, outcome=mark_of(self._lease))


class Removal(ChangeAttached):
    """Deletes an attached key."""

    def next(self, newest: Record | None, now_ms: int) -> Content | None:
        """As Operation.next."""
        return None if self._attached(newest, now_ms) is None else Content(None)
