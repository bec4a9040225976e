"""The record of what a store's folder must contain: a file of 56 bytes beside the data, `state`.

It owns the distinction between a folder with a missing or outdated part and one that a crash left. It must
never know what records are.

The file holds three things. The stamp, 16 random bytes that data.mdb has too, reveals a data.mdb of another
folder. The transaction of data.mdb when it was opened or closed reveals an older data.mdb. The newest segment
of the write-ahead log and its end, after all acknowledged writes, reveal a segment that is missing or cut off
(which would otherwise look like the torn end that a crash leaves). After each sync of the log the store notes
that place by a write without a sync: the note survives a crash of the process at once and a power cut a
little later, and is never ahead of the log. data.mdb itself has the number of the segment up to which the
tables are complete (`lmdb.layout.LOGGED`). If no log reveals an older data.mdb (`operation_log`), the store
notes each transaction in the same way.

The file can only report damage: without it, or if its own checksum fails, the folder is accepted as it is.
The same holds after a LimeDB that doesn't know the file has used the folder: then the mark in the lock file
is missing.

Tested in tests/storage/lmdb/test_folder.py.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_bytes
from struct import Struct

import xxhash

from limedb.errors import StoreDamagedError
from limedb.storage.files import replace_durably, store_error

_NAME = "state"
STAMP_SIZE = 16
_FORM = Struct("<8s16sQQQ")
_MAGIC = b"LimeDB\x01M"


@dataclass(frozen=True, slots=True)
class State:
    """The content of the file."""

    stamp: bytes
    """16 bytes."""
    transaction: int = 0
    """The transaction of data.mdb."""
    segment: int = 0
    """The newest segment of the log; 0: the store was closed, and nothing was left in a log."""
    end: int = 0
    """The position in that segment after the last acknowledged byte."""


def new_state() -> State:
    """The state of a new folder."""
    return State(token_bytes(STAMP_SIZE))


def read_state(folder: Path) -> State | None:
    """The content of the file; None: it doesn't exist, or isn't such a file."""
    try:
        data = (folder / _NAME).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise store_error(f"{folder / _NAME} can't be read", error) from error
    if len(data) != _FORM.size + 8 or data != _packed_with_sum(data[: _FORM.size]):
        return None
    magic, stamp, transaction, segment, end = _FORM.unpack_from(data)
    return State(stamp, transaction, segment, end) if magic == _MAGIC else None


def check_state(folder: Path, state: State, transaction: int | None) -> None:
    """Compare data.mdb with the noted state. transaction: its newest; None: there is no data.mdb.

    StoreDamagedError: it is gone, or older than noted.
    """
    path = folder / "data.mdb"
    if transaction is None:
        raise StoreDamagedError(f"{path} is missing or empty: it held the node's records")
    if transaction < state.transaction:
        raise StoreDamagedError(
            f"{path} is an older copy: it ends with transaction {transaction}, but transaction"
            f" {state.transaction} had been reached"
        )


class StateFile:
    """Writes the file, from one thread at a time."""

    def __init__(self, folder: Path, state: State) -> None:
        """Write a new file, durably. StoreError."""
        self._path, self.state = folder / _NAME, state
        try:
            replace_durably(self._path, _packed(state))
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise store_error(f"{self._path} can't be written", error) from error

    def note(self, segment: int, end: int) -> None:
        """Note how far the log is acknowledged, without a sync. If that fails, the older note stays, which
        detects less.
        """
        self.state = replace(self.state, segment=segment, end=end)
        with suppress(OSError):
            os.pwrite(self._fd, _packed(self.state), 0)

    def note_transaction(self, transaction: int) -> None:
        """Note the newest transaction of data.mdb, without a sync; a failure has the same effect as in
        `note`.
        """
        self.state = replace(self.state, transaction=transaction)
        with suppress(OSError):
            os.pwrite(self._fd, _packed(self.state), 0)

    def close(self, transaction: int, is_clean: bool) -> None:
        """Note the last transaction, durably; is_clean: nothing is left in the log. OSError."""
        state = replace(self.state, transaction=transaction)
        state = replace(state, segment=0, end=0) if is_clean else state
        os.pwrite(self._fd, _packed(state), 0)
        os.fsync(self._fd)
        os.close(self._fd)


def _packed(state: State) -> bytes:
    return _packed_with_sum(_FORM.pack(_MAGIC, state.stamp, state.transaction, state.segment, state.end))


def _packed_with_sum(data: bytes) -> bytes:
    return data + xxhash.xxh64_digest(data)
