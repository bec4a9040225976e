"""The tokens table of an LMDB environment as an Index (`walking`).

It owns how packed entries are found and named. It must never write, nor keep a transaction open. It is for
the event loop: in another thread each step of a cursor would wait for the interpreter's lock.
"""

from collections.abc import Callable
from itertools import islice, takewhile

from limedb.storage.codec import decode
from limedb.storage.lmdb_env import Tables
from limedb.storage.lmdb_layout import is_long, number, number_of

_NO_KEY = b"\xff"  # behind the keys of a token: no UTF-8 has it
_TOKEN_SIZE = 8


class TokenIndex:
    """Reads packed entries. A place is a key of the table. check: called before each read, to refuse it."""

    def __init__(self, tables: Tables, check: Callable[[], None]) -> None:
        self._tables, self._check = tables, check

    def start(self, token: int) -> bytes:
        """As Index.start."""
        return number(token)

    def behind(self, place: bytes) -> bytes:
        """As Index.behind."""
        return place + b"\0"

    def read(self, start: bytes, last: int, limit: int) -> list[tuple[bytes, bytes]]:
        """As Index.read. lmdb.Error."""
        self._check()
        end = (number(last) + _NO_KEY,)
        with self._tables.env.begin(db=self._tables.tokens) as txn:
            cursor = txn.cursor()
            if not cursor.set_range(start):
                return []
            return list(islice(takewhile(end.__gt__, cursor.iternext()), limit))

    def token(self, place: bytes) -> int:
        """As Index.token."""
        return number_of(place[:_TOKEN_SIZE])

    def key(self, place: bytes) -> str | None:
        """As Index.key; that of a long one is read from its record. lmdb.Error, StoreCorruptError."""
        stored = place[_TOKEN_SIZE:]
        if not is_long(stored):
            return stored.decode()
        with self._tables.env.begin(db=self._tables.main) as txn:
            data = txn.get(stored)
        return None if data is None else decode(data).key
