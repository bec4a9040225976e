"""The two counters of an LMDB folder: how many keys have a value, and the greatest version.

It owns how they are kept and, if damaged, counted again. It must never run beside a writer, only in its
transaction.

Tested in tests/storage/lmdb/test_store.py.
"""

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from limedb.encoding.record import peek
from limedb.errors import StoreCorruptError
from limedb.storage.lmdb.env import Tables
from limedb.storage.lmdb.layout import COUNT, HIGH_WATER, count_of, packed_count
from limedb.storage.seal import opened

if TYPE_CHECKING:
    import lmdb

log = logging.getLogger(__name__)


def counters(tables: Tables) -> tuple[int, int]:
    """Count and high-water mark; if one is damaged, all records are read: some 2 us each."""
    with tables.env.begin(db=tables.meta) as txn:
        found = [txn.get(COUNT), txn.get(HIGH_WATER)]
    if found == [None, None]:
        with tables.env.begin() as txn:
            is_new = not txn.stat(tables.main)["entries"]
        return (0, 0) if is_new else _counted(tables)
    count, high_water = (count_of(data or b"") for data in found)
    if count is None or high_water is None:
        return _counted(tables)
    return count, high_water


def put_counters(tables: Tables, txn: "lmdb.Transaction[bytes]", count: int, high_water: int) -> None:
    """Store both, in a write transaction."""
    pairs = [(COUNT, packed_count(count)), (HIGH_WATER, packed_count(high_water))]
    txn.cursor(tables.meta).putmulti(pairs)


def _counted(tables: Tables) -> tuple[int, int]:
    """Both, from the records that verify."""
    count = high_water = 0
    with tables.env.begin(db=tables.main) as txn:
        for _, stored in txn.cursor().iternext():
            data = opened(stored)
            with suppress(StoreCorruptError):
                header = peek(data or b"")
                count += not header.is_tombstone
                high_water = max(high_water, header.version)
    log.warning(
        "%s: the counters are damaged; counted again: %d keys with a value, greatest version %d",
        tables.folder, count, high_water,
    )  # fmt: skip
    with tables.env.begin(write=True) as txn:
        put_counters(tables, txn, count, high_water)
    return count, high_water
