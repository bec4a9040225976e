"""An LMDB environment: its options, and the meaning of its errors.

It owns the options. It must never read or write records.

Tested in tests/storage/lmdb/test_store.py and tests/storage/test_failing_callbacks.py.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import lmdb

from limedb.errors import StoreCorruptError, StoreDamagedError, StoreError, StoreFullError
from limedb.storage.files import is_full
from limedb.storage.held_file import GONE
from limedb.storage.lmdb.layout import FORMAT, FORMAT_VERSION, MAIN, META, TOKENS
from limedb.storage.lmdb.upgrade import OLD_FORMATS, finish_sealing, upgrade

MAP_SIZE = 1 << 40
"""Address space, not memory or disk: the file is only as long as the data. The map can't grow while
others have it open, so it is huge from the start.
"""
_LEAST_MAP_SIZE = 1 << 26
_LOCK_BYTES = 1 << 14
"""At least as many as LMDB's table of readers has."""
PAGE_BYTES_PER_WRITE = 32 << 10
"""Bytes of tree pages that one record may dirty in both tables, and some more."""
_CORRUPT = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError, lmdb.PageNotFoundError)
_BROKEN_TREE = (
    lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.BadTxnError, lmdb.CursorFullError, lmdb.PanicError
)  # fmt: skip
_DAMAGED_IN_USE = (*_BROKEN_TREE, *_CORRUPT, lmdb.MapResizedError)
"""LMDB's errors for a file that someone else wrote to; a grown map means that its first pages were
overwritten.
"""


@dataclass(frozen=True, slots=True)
class Tables:
    """An open environment and its tables (`layout.py`)."""

    folder: Path
    env: lmdb.Environment
    main: lmdb._Database
    tokens: lmdb._Database
    meta: lmdb._Database


def open_tables(folder: Path, map_size: int = MAP_SIZE) -> Tables:
    """Open an environment in a folder that exists, and create missing tables. Commits are synced.

    map_size: bytes; halved while the machine refuses so much. StoreError, StoreFullError, StoreCorruptError.
    """
    try:
        env = _open(folder, map_size)
    except (lmdb.Error, OSError) as error:
        raise explain(error, folder) from error
    try:
        tables = Tables(folder, env, *(env.open_db(name) for name in (MAIN, TOKENS, META)))
        _check_format(tables)
    except lmdb.Error as error:
        env.close()
        raise explain(error, folder) from error
    except StoreError:
        env.close()
        raise
    return tables


def open_env(folder: Path, map_size: int, *, tables: int = 0, syncs: bool = True) -> lmdb.Environment:
    """Open an environment of this process alone, whose folder it has locked (`FileLock`). tables: that have
    names. lmdb.Error, OSError.

    LMDB keeps its table of readers in lock.mdb, which it maps and shares with other processes. Here there
    are none, so the file is in memory, and its name is there only while LMDB opens it: whatever was left of
    it is removed before, and nobody can write to it or cut it, which would kill the process by SIGBUS. A full
    disk would do so, too, since LMDB makes the file by its length alone. So no reader of a killed process
    holds pages, either.
    """
    lock = folder / "lock.mdb"
    lock.unlink(missing_ok=True)
    with _lock_file(lock):
        return lmdb.open(
            str(folder),
            map_size=map_size,
            max_dbs=tables,
            mode=0o600,
            sync=syncs,
            writemap=False,  # a full disk would kill the process by SIGBUS
            meminit=True,  # else unused bytes of pages would hold whatever was in memory, tokens too
            readahead=False,  # reads are of single keys: reading ahead would evict useful pages
        )


@contextmanager
def _lock_file(path: Path) -> Iterator[None]:
    """A file in memory at a path, or on the disk where that can't be, for the time of the block."""
    held = -1
    try:
        with suppress(AttributeError, OSError):  # not Linux, or no /proc
            held = os.memfd_create(path.name)
            path.symlink_to(f"/proc/self/fd/{held}")
        if not path.exists():
            path.unlink(missing_ok=True)
            path.write_bytes(bytes(_LOCK_BYTES))  # real blocks: an error here, and no signal later
        yield
    finally:
        path.unlink(missing_ok=True)
        if held >= 0:
            os.close(held)


def _open(folder: Path, map_size: int) -> lmdb.Environment:
    try:
        return open_env(folder, map_size, tables=8)
    except lmdb.MemoryError:
        if map_size <= _LEAST_MAP_SIZE:
            raise
        return _open(folder, map_size // 2)


def _check_format(tables: Tables) -> None:
    with tables.env.begin() as txn:
        found = txn.get(FORMAT, db=tables.meta)
    if found == FORMAT_VERSION:
        finish_sealing(tables.env, tables.main, tables.tokens, tables.meta)
        return
    if found is None and _has_records(tables):
        raise StoreCorruptError(f"{tables.folder} holds records but no format: it is damaged")
    if found is not None and found not in OLD_FORMATS:
        raise StoreError(
            f"{tables.folder} has format {found.decode(errors='replace')}, this LimeDB reads"
            f" {FORMAT_VERSION.decode()}: start the version that wrote it"
        )
    if found is not None:
        upgrade(tables.env, tables.main, tables.tokens, tables.meta, found)
        return
    with tables.env.begin(write=True) as txn:
        txn.put(FORMAT, FORMAT_VERSION, db=tables.meta)


def _has_records(tables: Tables) -> bool:
    with tables.env.begin() as txn:
        return txn.stat(tables.main)["entries"] > 0


def is_no_room(error: Exception, folder: Path, written: int) -> bool:
    """Whether a write failed for lack of room, so that the next may succeed. written: bytes at most.

    LMDB reports EIO both for a write that a full disk cut short (mdb_page_flush) and for a broken disk. The
    free space distinguishes them. A wrong guess would lose nothing acknowledged: the pages of the failed
    transaction are free, and are written again before they are used.
    """
    if isinstance(error, (lmdb.MapFullError, lmdb.TxnFullError)):
        return True
    code = _code_of(error)
    return is_full(code) or (code == errno.EIO and _has_less_than(folder, written))


def _has_less_than(folder: Path, size: int) -> bool:
    try:
        return free_space(folder) < size
    except OSError:  # the folder is gone: that isn't a lack of room
        return False


def _code_of(error: Exception) -> int:
    return error.code if isinstance(error, lmdb.Error) else getattr(error, "errno", None) or 0


def free_space(folder: Path) -> int:
    """Bytes that are free on the disk of a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def full_error(error: Exception, folder: Path) -> StoreFullError:
    """The error to raise if there is no room."""
    if isinstance(error, lmdb.MapFullError):
        return StoreFullError(f"{folder}: the map is full; nothing of this write was stored")
    if isinstance(error, lmdb.TxnFullError):
        return StoreFullError(f"{folder}: the batch is too large for one transaction; write less at once")
    return StoreFullError(f"{folder}: the disk is full; nothing of this write was stored, make room")


def broken(folder: Path, failure: Exception | None) -> StoreError:
    """The error to raise after the disk failed; a new one each time, since each gets a traceback."""
    if isinstance(failure, FileNotFoundError):  # one of the store's files, or its whole folder
        what = f"a file of {folder}" if folder.exists() else str(folder)
        return StoreError(
            f"{what} {GONE}. Put it back before the next start ({failure}); no more is written there"
        )
    if isinstance(failure, StoreDamagedError):
        return StoreError(str(failure))
    if isinstance(failure, _DAMAGED_IN_USE):
        return StoreError(damaged_in_use(folder, failure))
    return StoreError(f"{folder}: the disk failed ({failure}); no more is written there")


def damaged_in_use(folder: Path, error: Exception) -> str:
    """The text about a file that was whole when the node started, and no longer is."""
    return (
        f"{folder / 'data.mdb'} was damaged while it was in use: {error}; no more is written there, and the"
        " next start checks it: see docs/damage.md"
    )


def is_broken_tree(error: Exception) -> bool:
    """Whether LMDB found pages that aren't a valid tree, so that it can answer nothing more."""
    return isinstance(error, _BROKEN_TREE)


def explain(error: Exception, folder: Path) -> StoreError:
    """The StoreError for an error of LMDB."""
    if isinstance(error, lmdb.MapFullError) or is_full(_code_of(error)):
        return full_error(error, folder)
    if isinstance(error, _CORRUPT):
        return StoreCorruptError(f"{folder} isn't a folder that LimeDB wrote: {error}; see docs/damage.md")
    return StoreError(f"{folder}: {error}")
