"""The tokens table of an LMDB environment as an Index (`walk.py`).

It owns how packed entries are found and named. It must never write, nor keep a transaction open. It is for
the event loop: in another thread each step of a cursor would wait for the interpreter's lock.

Tested in tests/storage/test_checkpoints.py and tests/storage/lmdb/test_upgrade.py.
"""

from collections.abc import Callable, Sequence
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from typing_extensions import override

from limedb.core.damage import Damage
from limedb.encoding.record import decode
from limedb.ports import IndexEntry
from limedb.storage.entries import pack_stored, unpack
from limedb.storage.lmdb.env import Tables
from limedb.storage.lmdb.layout import index_key, is_long, number, number_of, token_prefix
from limedb.storage.lmdb.sound import MISSING, Checking, UnsoundError, checked
from limedb.storage.seal import record_of
from limedb.storage.walk import Index

if TYPE_CHECKING:
    import lmdb

_NO_KEY = b"\xff"  # after the keys of a token: no UTF-8 has it
_TOKEN_SIZE = 8


class TokenIndex(Index[bytes]):
    """Reads packed entries. A place is a key of the table. check: called before each read, to refuse it.
    damage: takes note of damaged records. strays: places of the main table that belong to no key. wrong:
    places whose entries don't match their records.
    """

    def __init__(self, tables: Tables, check: Callable[[], None], damage: Damage) -> None:
        self._tables, self._check, self.damage = tables, check, damage
        self.wrong: list[bytes] = []
        self.strays: list[bytes] = []

    @override
    def start(self, token: int) -> bytes:
        return number(token)

    @override
    def behind(self, place: bytes) -> bytes:
        return place + b"\0"

    @override
    def read(self, start: bytes, last: int, limit: int) -> list[tuple[bytes, bytes]]:
        """As Index.read. lmdb.Error."""
        self._check()
        end = (number(last) + _NO_KEY,)
        with self._tables.env.begin(db=self._tables.tokens) as txn:
            cursor = txn.cursor()
            if not cursor.set_range(start):
                return []
            return list(islice(takewhile(end.__gt__, cursor.iternext()), limit))

    @override
    def token(self, place: bytes) -> int:
        return number_of(place[:_TOKEN_SIZE])

    @override
    def key(self, place: bytes) -> str | None:
        """As Index.key; a long key is read from its record. lmdb.Error, StoreCorruptError."""
        stored = place[_TOKEN_SIZE:]
        if not is_long(stored):
            return stored.decode()
        with self._tables.env.begin(db=self._tables.main) as txn:
            found = txn.get(stored)
        record = None if found is None else record_of(found)
        return None if record is None else record.key

    @override
    def entries(self, items: Sequence[tuple[bytes, bytes]]) -> list[tuple[int, IndexEntry]]:
        """As Index.entries, from the records themselves, for the stored entries may be damaged. Places that
        don't match are added to `wrong`. lmdb.Error; RecordDamagedError: a record is damaged.
        """
        found: list[tuple[int, IndexEntry]] = []
        with self._tables.env.begin(db=self._tables.main) as txn:
            checking = Checking(self._tables, txn, self.strays)
            for place, _ in items:
                packed = txn.get(place, db=self._tables.tokens)
                if packed is not None and (entry := self._checked(txn, place, packed, checking)) is not None:
                    found.append((self.token(place), entry))
        self.damage.note(checking.keys, checking.why)
        checking.finish()
        return found

    def _checked(
        self, txn: "lmdb.Transaction[bytes]", place: bytes, packed: bytes, checking: Checking
    ) -> IndexEntry | None:
        at, stored = place[_TOKEN_SIZE:], txn.get(place[_TOKEN_SIZE:])
        try:
            if stored is None:
                raise UnsoundError(MISSING)
            data = checked(at, stored)
        except UnsoundError as error:
            if not is_long(at) and token_prefix(at) + at != place:
                self.wrong.append(place)  # no key has this place
            else:
                checking.note(at, stored, error.why)
            return None
        key = decode(data).key if is_long(at) else at.decode()
        is_in_place, right = index_key(key, at) == place, pack_stored(data)
        if not is_in_place or packed != right:
            self.wrong.append(place)
        return unpack(key, right) if is_in_place else None
