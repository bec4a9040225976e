"""Sums of stored records: two replicas compare them instead of the records.

It owns the form: XXH3 of a record's stored bytes (64 bits, big-endian), then their second to ninth byte,
which are the version; zeros where nothing is stored. So records of two versions never have the same sum, and
two records of one version have it in 1 of 2**64 cases. Only records without a version (0: values of a Go
LimeDB) have other bytes there. It must never know of a store.
"""

from collections.abc import Sequence

import xxhash

from limedb.errors import RecordDamagedError

SUM_SIZE = 16
ABSENT = bytes(SUM_SIZE)
"""The sum where nothing is stored."""

_digest = xxhash.xxh3_64_digest

Found = bytes | RecordDamagedError | None
"""The stored bytes of a key; None, or no bytes: nothing is stored."""


def sums_of(found: Sequence[Found]) -> bytes | None:
    """The sums of records, one after the other; None: one of them is damaged."""
    try:
        sums = b"".join([_digest(data) + data[1:9] if data else ABSENT for data in found])  # type: ignore[arg-type,index]
    except TypeError:  # of an error
        return None
    if len(sums) == SUM_SIZE * len(found):
        return sums
    return b"".join([_sum_of(data) for data in found])


def differing(found: Sequence[Found], sums: bytes) -> list[int]:
    """The places (from 0) of those records whose sums are not those given. A damaged one differs from all."""
    if sums_of(found) == sums:
        return []
    return [i for i, data in enumerate(found) if _sum_of(data) != sums[SUM_SIZE * i : SUM_SIZE * (i + 1)]]


def _sum_of(data: Found) -> bytes:
    if isinstance(data, RecordDamagedError):
        return b""
    return (_digest(data) + data[1:9]).ljust(SUM_SIZE, b"\0") if data else ABSENT
