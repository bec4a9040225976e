"""Finds what a store has of keys while it merges a batch: in memory first, then in the tables.

It owns the order of the places. It must never write.

Tested in tests/storage/lmdb/test_plan.py.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from limedb.storage.lmdb.env import Tables
from limedb.storage.lmdb.layout import token_prefix
from limedb.storage.lmdb.plan import EncodedRecord
from limedb.storage.lmdb.sound import is_plainly_sound, sound_at
from limedb.storage.seal import SEAL_SIZE

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
        newest, newer, new = self._newest, self._newer, self._new
        found = [newest(key) or newer(key) or new(key) for key in keys]
        get, tokens = self._txn.get, self._tables.tokens
        for place in [place for place, data in enumerate(found) if data is None]:
            key = keys[place]
            # The usual cases of sound.sound_at come first: its calls would cost more than the work.
            if (stored := get(key)) is not None:
                data = stored[SEAL_SIZE:]
                found[place] = data if is_plainly_sound(key, stored, data) else self._sound(key, key)
            elif get(token_prefix(key) + key, None, tokens) is not None:
                self._sound(key, key)
        return found

    def _sound(self, place: bytes, name: bytes) -> bytes | None:
        return sound_at(self._tables, self._txn, place, name)
