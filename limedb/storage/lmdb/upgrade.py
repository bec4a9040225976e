"""Upgrades a folder of an older format when it is opened.

It owns the steps from format 1, whose tokens table held only versions, and from format 2, whose records had
no checksums. It must never change a record.

Earlier losses of a folder of format 1 can't be detected. In one of format 2 the index has a checksum of each
record: a record that doesn't match it is sealed as damaged, so that repair fetches it from the other
replicas.
"""

import logging

import lmdb

from limedb.encoding.record import decode, utf8
from limedb.errors import StoreCorruptError
from limedb.storage.entries import pack, pack_stored
from limedb.storage.lmdb.layout import (
    COUNT,
    FORMAT,
    FORMAT_VERSION,
    HIGH_WATER,
    index_key,
    number_of,
    packed_count,
    stored_key,
)
from limedb.storage.seal import seal_of

log = logging.getLogger(__name__)

OLD_FORMATS = (b"1", b"2")
BATCH_RECORDS = 10_000
"""Records per transaction, so that the map need not hold both forms of all of them."""
BATCH_BYTES = 16 << 20
"""Bytes of records per transaction, which are in memory together."""
_SEALING = b"sealing"
"""In the meta table, while records are being sealed: 1 byte, and the last stored key."""


def upgrade(
    env: lmdb.Environment,
    main: lmdb._Database,
    tokens: lmdb._Database,
    meta: lmdb._Database,
    found: bytes,
) -> None:
    """Upgrade format 1 or 2 to the present one: some 4 us per record and step. A crash in between does no
    harm: the next start continues. lmdb.Error; StoreCorruptError: bytes of format 1 aren't a record.
    """
    if found == OLD_FORMATS[0]:
        _index_all(env, main, tokens)
    with env.begin(write=True, db=meta) as txn:
        for name in (COUNT, HIGH_WATER):
            txn.put(name, packed_count(number_of(txn.get(name, b"")[:8])))
        txn.put(_SEALING, b".")
        txn.put(FORMAT, FORMAT_VERSION)
    finish_sealing(env, main, tokens, meta)


def finish_sealing(
    env: lmdb.Environment, main: lmdb._Database, tokens: lmdb._Database, meta: lmdb._Database
) -> None:
    """Seal the records that aren't sealed yet; usually none. lmdb.Error."""
    damaged = total = 0
    while True:
        with env.begin(write=True) as txn:
            if (mark := txn.get(_SEALING, db=meta)) is None:
                break
            items = _some(txn.cursor(main), mark[1:] + b"\0")
            sound = [_is_indexed(txn, tokens, *item) for item in items]
            pairs = [(at, _sealed(data, ok)) for (at, data), ok in zip(items, sound, strict=True)]
            txn.cursor(main).putmulti(pairs)
            if items:
                txn.put(_SEALING, b"." + items[-1][0], db=meta)
            else:
                txn.delete(_SEALING, db=meta)
        total, damaged = total + len(items), damaged + sound.count(False)
    if total:
        log.info("%s: %d records got checksums; %d of them were damaged before", env.path(), total, damaged)


def _is_indexed(txn: "lmdb.Transaction[bytes]", tokens: lmdb._Database, at: bytes, data: bytes) -> bool:
    """Whether a record matches its index entry."""
    try:
        key = decode(data).key
        return stored_key(utf8(key)) == at and txn.get(index_key(key, at), db=tokens) == pack_stored(data)
    except StoreCorruptError:
        return False


def _sealed(data: bytes, is_sound: bool) -> bytes:
    seal = seal_of(data)
    return (seal if is_sound else bytes(byte ^ 0xFF for byte in seal)) + data


def _index_all(env: lmdb.Environment, main: lmdb._Database, tokens: lmdb._Database) -> None:
    """Write each record's packed entry to the tokens table. An older LimeDB reads only the keys of that
    table, and continues to work with it.
    """
    after = b"\0"
    while True:
        with env.begin(write=True) as txn:
            items = _some(txn.cursor(main), after)
            txn.cursor(tokens).putmulti(sorted(_index_entry(*item) for item in items))
        if not items:
            return
        after = items[-1][0] + b"\0"


def _some(cursor: "lmdb.Cursor[bytes]", start: bytes) -> list[tuple[bytes, bytes]]:
    """The next records from a stored key on, as many as fit into one transaction; empty: there are no
    more.
    """
    items: list[tuple[bytes, bytes]] = []
    size = 0
    for item in cursor.iternext() if cursor.set_range(start) else ():
        items.append(item)
        size += len(item[1])
        if len(items) >= BATCH_RECORDS or size >= BATCH_BYTES:
            break
    return items


def _index_entry(stored: bytes, data: bytes) -> tuple[bytes, bytes]:
    record = decode(data)
    return index_key(record.key, stored), pack(record, data)
