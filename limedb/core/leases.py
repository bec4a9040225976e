"""Leases: keys that live as long as somebody keeps them alive.

It owns the content of a lease's record, how a key shows to which lease it is attached, and the limits. It
must never decide when a lease expires: its record expires like any other, and `replication/leases` carries
changes out.

A lease is a reserved key with a time to live, and all writes of it are conditional. The value of an attached
key expires with the lease, and the state that the write made remembers the lease (`core/conditional.py`,
lineage), so that another write of the key detaches it. A write that keeps the life of the value, such as an
append, keeps the lease, too: its state remembers both, the lease and then the answer. The order of writes
guarantees this:

1. A renewal first extends each attached key, and then the lease. So no attached key expires before its lease,
   even if the coordinator dies in between.
2. A coordinator adds a key to the lease's list before it writes the key. If the list has changed meanwhile, a
   renewal starts over; so it misses no key. After writing the key, the coordinator looks at the lease once
   more, and gives the key the lease's current expiry, or deletes it if the lease has expired or was revoked.
3. A coordinator revokes a lease before it deletes the keys: no renewal can follow. A key that outlives its
   lease, because a coordinator died, still expires: at most one time to live after the last renewal.

All these writes are conditional, so a majority of each key's replicas decides them, and the time in their
ballots (`core/hlc.py`), not any single clock, determines what has expired. Any node can carry out any of
them.

Tested in tests/replication/leases/test_leases.py and tests/simulation/test_leases.py.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from limedb.core.record import Record
from limedb.core.reserved import PREFIX

LEASES = PREFIX + "lease/"
"""The prefix of the reserved keys of leases."""
LEAST_TTL_MS, MOST_TTL_MS = 1_000, 86_400_000
"""The bounds of the time to live."""
MAX_KEYS = 128
"""The most keys that can be attached to a lease: each renewal writes all of them."""
MAX_ID = (1 << 63) - 1
"""The greatest id, so that languages without unsigned numbers have it, too."""
_MARK_BYTES = 9
_MARK = b"l"


class Lease(NamedTuple):
    """A lease that lives. version, expires_at: of its record; ttl_ms: from a renewal on; keys: those that
    were attached; other writes may have detached some of them since.
    """

    id: int
    version: int
    expires_at: int
    ttl_ms: int
    keys: tuple[str, ...]


def key_of(lease: int) -> str:
    """The reserved key of a lease."""
    return f"{LEASES}{lease:016x}"


def mark_of(lease: int) -> bytes:
    """The form in which the state of an attached key remembers its lease."""
    return _MARK + lease.to_bytes(8, "big")


def split(outcome: bytes) -> tuple[bytes, bytes]:
    """The parts of a state that remember a lease (empty: it is attached to none) and an answer."""
    end = _MARK_BYTES if outcome.startswith(_MARK) else 0
    return outcome[:end], outcome[end:]


def mark_in(record: Record | None) -> bytes:
    """The form in which the value of a key remembers its lease; empty: it is attached to none."""
    if record is None or record.value is None or not record.lineage:
        return b""
    return split(record.lineage[0].outcome)[0]


def is_attached(record: Record | None, lease: int) -> bool:
    """Whether the value of a key is attached to a lease."""
    return mark_in(record) == mark_of(lease)


def lease_value(ttl_ms: int, keys: Sequence[str]) -> str:
    """The value of a lease's record: JSON."""
    return json.dumps({"ttlMs": ttl_ms, "keys": [*keys]}, ensure_ascii=False)


def lease_in(lease: int, record: Record) -> Lease:
    """The lease in its record."""
    held = json.loads(record.value or "{}")
    return Lease(lease, record.version, record.expires_at, held["ttlMs"], tuple(held["keys"]))
