"""Finds what a store has of keys while it merges a batch: in memory first, then in the tables.

It owns the order of the places. It must never write.

Tested in tests/storage/lmdb/test_plan.py.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from limedb.storage.lmdb.env import Tables
from limedb.storage.lmdb.plan import EncodedRecord
from limedb.storage.lmdb.sound import sound_at

if TYPE_CHECKING:
    import lmdb

_NONE: Mapping[bytes, bytes] = {}


class StoredRecords:
    """`plan.Lookup`, as a read transaction on the main table sees the tables. newest, newer, new: items that
    the tables don't have yet, by their stored keys.
    """

    def __init__(
        self,
        tables: Tables,
        txn: "lmdb.Transaction[bytes]",
        newest: Mapping[bytes, bytes] = _NONE,
        newer: Mapping[bytes, bytes] = _NONE,
        new: Mapping[bytes, bytes] = _NONE,
    ) -> None:
        self._tables, self._txn = tables, txn
        self._newest, self._newer, self._new = newest.get, newer.get, new.get

    def of(self, item: EncodedRecord) -> bytes | None:
        """See plan.Lookup."""
        key = item[0]
        return self._newest(key) or self._newer(key) or self._new(key) or self._sound(key, item.name)

    def of_short(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See plan.Lookup."""
        newest, newer, new, sound = self._newest, self._newer, self._new, self._sound
        return [newest(key) or newer(key) or new(key) or sound(key, key) for key in keys]

    def _sound(self, place: bytes, name: bytes) -> bytes | None:
        return sound_at(self._tables, self._txn, place, name)
