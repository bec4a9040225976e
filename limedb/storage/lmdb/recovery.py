"""Replays a write-ahead log into the tables when a store is opened.

It owns the replay. It must never run beside other writes.

Replaying a log that the tables have in part already gives the same tables: a stored record that is the same
or newer stays, and a purge removes only the record that it names.

Tested in tests/storage/test_checkpoints.py.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from typing_extensions import override

from limedb.encoding.record import decode
from limedb.errors import StoreCorruptError
from limedb.ports import IndexEntry
from limedb.storage.lmdb.counters import counters
from limedb.storage.lmdb.env import Tables
from limedb.storage.lmdb.lookup import StoredRecords
from limedb.storage.lmdb.plan import EncodedBatch, items_of, plan, purges_of
from limedb.storage.lmdb.sound import UnsoundError
from limedb.storage.lmdb.writer import write_items
from limedb.storage.write_ahead_log import groups_in, newest_segment, remove_segments
from limedbpb.v1.log_pb2 import LogGroup

log = logging.getLogger(__name__)

BATCH = 50_000
"""Items per transaction."""


def recover(folder: Path, tables: Tables, known: tuple[int, int] = (0, 0)) -> None:
    """Replay the segments of a folder into its tables, and remove them. known: as for `groups_in`.

    StoreDamagedError: a segment is damaged; lmdb.Error, OSError: there is no room, or the disk failed; the
    log stays, and nothing is lost.
    """
    replay, total, newest = _Replay(tables), 0, newest_segment(folder)
    for group in groups_in(folder, known):
        for items in _batches(group, folder):
            replay.add(items)
            total += len(items)
    replay.flush(newest)
    remove_segments(folder)
    if total:
        log.info("%s: %d writes were replayed from the write-ahead log", folder, total)


class _Replay:
    """Items on their way into the tables, a transaction for many groups."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._count, self._high_water = counters(tables)
        self._writes: dict[bytes, bytes] = {}

    def add(self, items: EncodedBatch) -> None:
        with self._tables.env.begin(db=self._tables.main) as txn:
            # Whether a value had expired changes only the answers, not the outcome.
            planned = plan(items, 0, _Readable(self._tables, txn, self._writes))
        self._writes.update(planned.writes)
        self._count += planned.live_change
        self._high_water = max([self._high_water, *items.versions])
        if len(self._writes) >= BATCH:
            self.flush()

    def flush(self, logged: int = 0) -> None:
        """Write the added items. logged: the segment that ends with them."""
        if self._writes or logged:
            write_items(self._tables, self._writes, self._count, self._high_water, logged)
            self._writes = {}


class _Readable(StoredRecords):
    """What is stored, if it verifies. A damaged record was merged before into the key's record in the log,
    which has the last of all writes since the last checkpoint.
    """

    @override
    def _sound(self, place: bytes, name: bytes) -> bytes | None:
        try:
            return super()._sound(place, name)
        except UnsoundError:
            return None


def _batches(group: bytes, folder: Path) -> Iterator[EncodedBatch]:
    try:
        message = LogGroup.FromString(group)
    except DecodeError:
        raise StoreCorruptError(
            f"{folder}: a group of the write-ahead log can't be parsed; see docs/damage.md"
        ) from None
    yield items_of([decode(data) for data in message.records])
    yield purges_of([IndexEntry(purge.key, purge.version, purge.checksum, 0) for purge in message.purges])
