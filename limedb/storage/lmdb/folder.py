"""A store's folder as a whole: it makes sure that all parts exist, are whole and are up to date.

It owns the order in which a folder is opened and closed. It must never repair: it reports damage, and the
node's operator decides what to do.

Opening first checks the pages of data.mdb without LMDB (`pages.py`), then compares the file with the noted
state (`folder_state`), then lets LMDB open it, then replays the log. Last it writes a new state file, and
only then marks the lock, so that a crash in between leaves a folder that is accepted as it is.
"""

import logging
from pathlib import Path

import lmdb
import xxhash

from limedb.errors import StoreDamagedError
from limedb.storage.files import FileLock
from limedb.storage.folder_state import STAMP_SIZE, State, StateFile, check_state, new_state, read_state
from limedb.storage.lmdb.env import Tables, explain, open_tables
from limedb.storage.lmdb.layout import LOGGED, STAMP, count_of
from limedb.storage.lmdb.pages import check_file
from limedb.storage.lmdb.recovery import recover
from limedb.storage.write_ahead_log import WriteAheadLog, check_segments, newest_segment

log = logging.getLogger(__name__)


def open_folder(
    folder: Path, map_size: int, durability: str, lock: FileLock
) -> tuple[Tables, WriteAheadLog, StateFile]:
    """Open the tables of a folder, complete with the content of its log, and a new segment of the log. lock:
    held.

    Errors of LmdbStore.
    """
    state = read_state(folder)
    meta = check_file(folder / "data.mdb")
    if state is not None:
        check_state(folder, state, meta.txn if meta else None)
    elif meta is None and newest_segment(folder):
        raise StoreDamagedError(f"{folder / 'data.mdb'} is missing, but a part of its log exists")
    tables = open_tables(folder, map_size)
    try:
        return tables, *_replay(tables, state if lock.was_marked else None, state, durability, lock)
    except BaseException as error:
        tables.env.close()
        if isinstance(error, lmdb.Error | OSError):
            raise explain(error, folder) from error
        raise


def close_folder(tables: Tables, file: StateFile, is_clean: bool) -> None:
    """Close the tables, and note their state. is_clean: nothing is left in the log."""
    transaction = int(tables.env.info()["last_txnid"])
    tables.env.close()
    try:
        file.close(transaction, is_clean)
    except OSError as error:  # the note from the start is valid too: it detects less
        log.warning("%s: its state can't be noted: %s", tables.folder, error)


def _replay(
    tables: Tables, noted: State | None, state: State | None, durability: str, lock: FileLock
) -> tuple[WriteAheadLog, StateFile]:
    """noted: the state, if it may be believed of the log, too. state: the state to believe of the tables."""
    folder = tables.folder
    logged, stamp = _known(tables)
    if state is not None and stamp is not None and stamp != state.stamp:
        raise StoreDamagedError(
            f"{folder / 'data.mdb'} is not the original one: it comes from another folder"
        )
    if noted is not None and logged is not None:
        check_segments(folder, logged, noted.segment)
    recover(folder, tables, (noted.segment, noted.end) if noted else (0, 0))
    logged, _ = _known(tables)
    file = _new_file(tables, stamp)
    after = max(logged or 0, noted.segment if noted else 0)
    segments = WriteAheadLog(folder, durability == "always", after, file.note)
    lock.mark()
    return segments, file


def _known(tables: Tables) -> tuple[int | None, bytes | None]:
    """The segment up to which the tables have the log, and their stamp; 0 and empty: none was noted. None:
    the checksum fails, so there is nothing to compare with.
    """
    with tables.env.begin(db=tables.meta) as txn:
        logged, stamp = txn.get(LOGGED), txn.get(STAMP, b"")
    is_whole = stamp == _sealed(stamp[:STAMP_SIZE]) or not stamp
    return 0 if logged is None else count_of(logged), stamp[:STAMP_SIZE] if is_whole else None


def _sealed(stamp: bytes) -> bytes:
    return stamp + xxhash.xxh64_digest(stamp)


def _new_file(tables: Tables, stamp: bytes | None) -> StateFile:
    state = State(stamp) if stamp else new_state()
    if not stamp:
        with tables.env.begin(write=True) as txn:
            txn.put(STAMP, _sealed(state.stamp), db=tables.meta)
    return StateFile(tables.folder, State(state.stamp, int(tables.env.info()["last_txnid"])))
