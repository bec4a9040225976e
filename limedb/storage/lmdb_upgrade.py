"""Brings a folder of an older format to the present one, when it is opened.

It owns the way from format 1, whose tokens table held versions alone. It must never change a record.
"""

from itertools import islice

import lmdb

from limedb.storage.codec import decode
from limedb.storage.entries import pack
from limedb.storage.lmdb_layout import index_key

OLD_FORMAT = b"1"
_BATCH = 10_000  # records a transaction, so that the map need not hold both forms of all of them


def upgrade(env: lmdb.Environment, main: lmdb._Database, tokens: lmdb._Database) -> None:
    """Write each record's packed entry to the tokens table; some 5 us a record.

    Whoever calls notes the format afterwards: a crash on the way leaves the old one, which begins again; an
    older LimeDB reads the keys of that table only, and goes on with it. lmdb.Error, StoreCorruptError.
    """
    after = b"\0"
    while True:
        with env.begin(write=True) as txn:
            cursor = txn.cursor(main)
            found = cursor.set_range(after)
            items = list(islice(cursor.iternext(), _BATCH)) if found else []
            txn.cursor(tokens).putmulti(sorted(_index_entry(*item) for item in items))
        if len(items) < _BATCH:
            return
        after = items[-1][0] + b"\0"


def _index_entry(stored: bytes, data: bytes) -> tuple[bytes, bytes]:
    record = decode(data)
    return index_key(record.key, stored), pack(record, data)
