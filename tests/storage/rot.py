"""Damages what a store holds, on the disk."""

import json
from pathlib import Path

import lmdb

from limedb.storage.lmdb.layout import stored_key


def flip(data: bytes, bit: int) -> bytes:
    """Bytes with one bit changed."""
    return data[: bit // 8] + bytes((data[bit // 8] ^ 1 << bit % 8,)) + data[bit // 8 + 1 :]


class LmdbFolder:
    """The tables of a store that is closed, in the hands of fate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def rot(self, key: str) -> None:
        """Damage the record of a key."""
        self.flip_record(stored_key(key.encode()), -1)

    def flip_record(self, at: bytes, bit: int) -> None:
        """Flip a bit of what is stored at a stored key; counted from behind where it is negative."""
        with self._main() as (txn, main):
            data = txn.get(at, db=main) or b""
            txn.put(at, flip(data, bit % (8 * len(data))), db=main)

    def flip_key(self, at: bytes, bit: int, table: bytes = b"main") -> None:
        """Flip a bit of a stored key, as if the tree held it there."""
        with self._main(table) as (txn, main):
            data = txn.get(at, db=main) or b""
            txn.delete(at, db=main)
            txn.put(flip(at, bit), data, db=main)

    def flip_value(self, at: bytes, bit: int, table: bytes) -> None:
        """Flip a bit of what a table holds at a place."""
        with self._main(table) as (txn, main):
            txn.put(at, flip(txn.get(at, db=main) or b"", bit), db=main)

    def copy_record(self, source: bytes, target: bytes) -> None:
        """Let a stored key have what another one has."""
        with self._main() as (txn, main):
            txn.put(target, txn.get(source, db=main) or b"", db=main)

    def places(self, table: bytes) -> list[bytes]:
        """The keys of a table."""
        with self._main(table) as (txn, main):
            return [*txn.cursor(main).iternext(values=False)]

    def delete(self, at: bytes, table: bytes) -> None:
        """Take something out of a table."""
        with self._main(table) as (txn, main):
            txn.delete(at, db=main)

    def _main(self, table: bytes = b"main") -> "_Open":
        return _Open(self._folder, table)


class _Open:
    def __init__(self, folder: Path, table: bytes) -> None:
        self._env = lmdb.open(str(folder), max_dbs=8, map_size=1 << 30)
        self._table = table

    def __enter__(self) -> "tuple[lmdb.Transaction[bytes], lmdb._Database]":
        self._db = self._env.open_db(self._table)
        self._txn = self._env.begin(write=True)
        return self._txn, self._db

    def __exit__(self, *_: object) -> None:
        self._txn.commit()
        self._env.close()


class JsonFile:
    """The file of a filesystem store that is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rot(self, key: str) -> None:
        """Damage the entry of a key."""
        entries = json.loads(self._path.read_text())
        entries[key]["version"] = str(int(entries[key]["version"]) ^ 1)
        self._path.write_text(json.dumps(entries))
