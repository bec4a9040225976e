"""Leases: keys that live as long as somebody keeps them alive.

It owns what the record of a lease holds, how a key shows to which lease it is attached, and the limits. It
must never decide when a lease ends: its record expires as any other does, and `replication/leases` carries
changes out.

A lease is a reserved key with a time to live, written conditionally only. A key that is attached to it has a
value that expires with it, and remembers the lease in the state that the write made (`core/conditional.py`,
lineage), so that another write of the key detaches it. One that keeps the life of the value, as an append
does, keeps the lease, too: its state remembers both, the lease and then what the write answered. The order of
writes makes that hold:

1. A renewal first lets each attached key live longer, and then the lease. So no attached key expires before
   its lease, also where the coordinator dies in between.
2. A key is in the lease's list before it is written. If the list has changed meanwhile, a renewal starts
   over; so it misses no key. After it has written the key, the coordinator looks at the lease once more, and
   gives the key the life that the lease has by then, or deletes it if the lease has ended.
3. A lease is revoked first, and its keys are deleted then: no renewal can follow. A key that lives longer
   than its lease, since a coordinator died, ends with its own expiry: one time to live after the last renewal
   at most.

All these writes are conditional ones, so a majority of each key's replicas decides them, and whether
something has expired is judged by the time in their ballots (`core/hlc.py`): by no clock alone. Any node
carries any of them out.

Tested in tests/replication/leases/test_leases.py and tests/simulation/test_leases.py.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from limedb.core.record import Record
from limedb.core.reserved import PREFIX

LEASES = PREFIX + "lease/"
"""The reserved keys of leases begin with it."""
LEAST_TTL_MS, MOST_TTL_MS = 1_000, 86_400_000
"""The bounds of the time to live."""
MAX_KEYS = 128
"""Keys that are attached to a lease at most: each renewal writes all of them."""
MAX_ID = (1 << 63) - 1
"""The greatest id, so that languages without unsigned numbers have it, too."""
_MARK_BYTES = 9
_MARK = b"l"


class Lease(NamedTuple):
    """A lease that lives. version, expires_at: of its record; ttl_ms: from a renewal on; keys: those that
    were attached, of which others may have been written since.
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
    """What the state of an attached key remembers of its lease."""
    return _MARK + lease.to_bytes(8, "big")


def split(outcome: bytes) -> tuple[bytes, bytes]:
    """What a state remembers of a lease, empty: it is attached to none; and what of an answer."""
    end = _MARK_BYTES if outcome.startswith(_MARK) else 0
    return outcome[:end], outcome[end:]


def mark_in(record: Record | None) -> bytes:
    """What the value of a key remembers of its lease; empty: it is attached to none."""
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
