"""Mends the index of an LMDB folder from its records, and scrubs both.

It owns the effect of scrubbing on the tables. It must never change a record, nor remove one that verifies in
its place: `replication/repair/healing.py` replaces damaged records from other replicas.

Tested in tests/storage/test_damage.py.
"""

from itertools import islice
from pathlib import Path

import lmdb

from limedb.core.damage import Damage
from limedb.encoding.record import decode, encode, utf8
from limedb.errors import StoreCorruptError
from limedb.ports import Scrubbed
from limedb.storage.entries import pack_stored
from limedb.storage.lmdb.env import Tables
from limedb.storage.lmdb.index import TokenIndex
from limedb.storage.lmdb.layout import MAIN, META, TOKENS, index_key, is_long, stored_key, token_prefix
from limedb.storage.lmdb.sound import MISSING, Checking, UnsoundError, checked, concerned, is_stray
from limedb.storage.seal import record_of

STEP = 256
"""The most entries that a step checks: some 1 to 2 ms of the event loop."""
_RECORDS, _INDEX = b"m", b"t"


class Mender:
    """Works on the tables of a store. damage: takes note of damaged records, and counts mended entries.
    index: the index whose `wrong` entries are mended. strays: places of the main table that belong to no key.
    """

    def __init__(self, tables: Tables, index: TokenIndex, damage: Damage) -> None:
        self._tables, self._index, self._damage = tables, index, damage
        self.unindexed: list[bytes] = []
        self.strays = index.strays

    @property
    def has_work(self) -> bool:
        """Whether `mend` has something to do."""
        return bool(self._index.wrong or self.unindexed or self.strays)

    def mend(self) -> None:
        """Rewrite the wrong index entries and remove strays, in one transaction, which checks each of them
        again. For a thread. lmdb.Error.
        """
        wrong, self._index.wrong = self._index.wrong, []
        unindexed, self.unindexed = self.unindexed, []
        strays = self.strays[:]
        self.strays.clear()
        with self._tables.env.begin(write=True) as txn:
            for place in wrong:
                self._mend_entry(txn, place)
            for at in unindexed:
                self._index_anew(txn, at)
            for at in strays:
                self._clear(txn, at)

    def step(self, place: bytes, size: int) -> Scrubbed:
        """As Store.scrub, on the event loop; wrong index entries wait for `mend`."""
        if place.startswith(_INDEX):
            return self._step_tokens(place[1:])
        return self._step_main(place[1:] or b"\0", size)

    # --- records

    def _step_main(self, start: bytes, size: int) -> Scrubbed:
        records = read = 0
        last = b""
        with self._tables.env.begin(db=self._tables.main) as txn:
            cursor = txn.cursor()
            for at, stored in islice(cursor.iternext(), STEP) if cursor.set_range(start) else ():
                self._check_order(last, at)
                last = at
                self._look_at(txn, at, stored)
                records, read = records + 1, read + len(at) + len(stored)
                if read >= size:
                    return Scrubbed(_RECORDS + at + b"\0", records, read)
            if records == STEP:
                return Scrubbed(_RECORDS + at + b"\0", records, read)
        return Scrubbed(_INDEX, records, read)

    def _check_order(self, last: bytes, at: bytes) -> None:
        """StoreCorruptError: a key of the tree has changed, so lookups go astray."""
        if at <= last:
            self._damage.structure = (
                f"the keys of {self._tables.folder}/data.mdb are out of order after {last[:64]!r}: the"
                " file is damaged as a whole; restart the node, which checks it, or let it rejoin with an"
                " empty folder"
            )
            raise StoreCorruptError(self._damage.structure)

    def _look_at(self, txn: "lmdb.Transaction[bytes]", at: bytes, stored: bytes) -> None:
        try:
            data = checked(at, stored)
        except UnsoundError as error:
            checking = Checking(self._tables, txn, self.strays)
            checking.note(at, stored, error.why)
            self._damage.note(checking.keys, checking.why)
            return
        key = decode(data).key if is_long(at) else at.decode()
        if txn.get(index_key(key, at), db=self._tables.tokens) != pack_stored(data):
            self.unindexed.append(at)

    # --- the index

    def _step_tokens(self, start: bytes) -> Scrubbed:
        read, last = 0, b""
        with self._tables.env.begin(db=self._tables.tokens) as txn:
            cursor = txn.cursor()
            items = [*islice(cursor.iternext(), STEP)] if cursor.set_range(start or b"\0") else []
            for place, packed in items:
                self._check_order(last, place)
                last = place
                read += len(place) + len(packed)
                self._look_at_entry(txn, place)
        behind = _INDEX + items[-1][0] + b"\0" if len(items) == STEP else b""
        return Scrubbed(behind, 0, read)

    def _look_at_entry(self, txn: "lmdb.Transaction[bytes]", place: bytes) -> None:
        at = place[8:]
        stored = txn.get(at, db=self._tables.main)
        if stored is None and not is_long(at) and token_prefix(at) + at == place:
            self._damage.note(concerned(at, None), MISSING)
        elif stored is None or not self._is_in_place(place, stored):
            self._index.wrong.append(place)

    def _is_in_place(self, place: bytes, stored: bytes) -> bool:
        """Whether an entry is at the place that its record requires; True if the record is damaged."""
        try:
            key = decode(checked(place[8:], stored)).key
        except UnsoundError:
            return is_long(place[8:]) or token_prefix(place[8:]) + place[8:] == place
        return index_key(key, place[8:]) == place

    # --- mending

    def _mend_entry(self, txn: "lmdb.Transaction[bytes]", place: bytes) -> None:
        """Rewrite an entry from its record, or remove it if no entry can have this place."""
        tables, at = self._tables, place[8:]
        stored = txn.get(at, db=tables.main)
        if txn.get(place, db=tables.tokens) is None:
            return
        if stored is None or not self._is_in_place(place, stored):
            if stored is None and is_long(at):
                return  # its key is unknown: a read of it will find the damage
            if stored is None and token_prefix(at) + at == place:
                self._damage.note(concerned(at, None), MISSING)
                return
            txn.delete(place, db=tables.tokens)
            self._damage.index += 1
        if stored is not None:
            self._index_anew(txn, at)

    def _clear(self, txn: "lmdb.Transaction[bytes]", at: bytes) -> None:
        """Remove the content of a place that belongs to no key. A record that verifies returns to its own
        place if it is missing there and the index has exactly this one.
        """
        tables = self._tables
        stored = txn.get(at, db=tables.main)
        if stored is None or not is_stray(tables, txn, at, stored):
            return
        if (record := record_of(stored)) is not None:
            own = stored_key(utf8(record.key))
            remembered = txn.get(index_key(record.key, own), db=tables.tokens)
            if txn.get(own, db=tables.main) is None and remembered == pack_stored(encode(record)):
                txn.put(own, stored, db=tables.main)
        txn.delete(at, db=tables.main)

    def _index_anew(self, txn: "lmdb.Transaction[bytes]", at: bytes) -> None:
        """Rewrite the entry of a record if the record verifies and the entry is wrong."""
        tables = self._tables
        try:
            data = checked(at, txn.get(at, db=tables.main) or b"")
        except UnsoundError:
            return
        place, packed = index_key(decode(data).key, at), pack_stored(data)
        if txn.get(place, db=tables.tokens) != packed:
            txn.put(place, packed, db=tables.tokens)
            self._damage.index += 1


def verify_copy(folder: Path) -> None:
    """Read all records of a copy of the tables: for a thread. StoreCorruptError: some are damaged."""
    with lmdb.open(str(folder), readonly=True, lock=False, max_dbs=8, readahead=False) as env:
        main, tokens, meta = (env.open_db(name, create=False) for name in (MAIN, TOKENS, META))
        with env.begin(db=main) as txn:
            checking = Checking(Tables(folder, env, main, tokens, meta), txn, [])
            for _ in checking.open(txn.cursor().iternext()):
                pass
    if checking.keys:
        raise StoreCorruptError(
            f"{folder}: the copy holds damaged records ({checking.why}), as does the store:"
            f" {checking.keys[:10]};"
            " run `limedb admin scrub`, and take a new one"
        )
