"""What must be there in a store's folder: a file of 56 bytes beside the data, `state`.

It owns how a folder that lacks something, or holds something older than it did, is told from one that was
left by a crash. It must never know what records are.

It holds: the stamp, 16 random bytes that data.mdb has too, so that one of another folder is noticed; the
transaction of data.mdb when it was opened or closed, so that an older one is; and the newest segment of the
write-ahead log with its end, behind all that was acknowledged, so that a segment that is gone or cut off is
(and not taken for the torn end that a crash leaves). That last place is noted after each sync by a write that
isn't synced: it outlives the process at once and a power cut a little later, and is never ahead of the log.
Which segments the tables have is in data.mdb itself (`lmdb.layout.LOGGED`). Where no log shows that a
data.mdb is older (`operation_log`), each transaction is noted, in the same way.

The file only accuses: without it, or where its own checksum fails, the folder is taken as it is. So it is
where a LimeDB that doesn't know the file had the folder in between: that one's mark isn't in the lock file.
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
    """stamp: 16 bytes. transaction: of data.mdb. segment, end: the newest segment of the log, and the
    byte behind what was acknowledged; segment 0: the store was closed, and nothing was left in a log.
    """

    stamp: bytes
    transaction: int = 0
    segment: int = 0
    end: int = 0


def new_state() -> State:
    """That of a folder which is made now."""
    return State(token_bytes(STAMP_SIZE))


def read_state(folder: Path) -> State | None:
    """What the file says; None: it isn't there, or is no such file."""
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
    """Hold data.mdb against what was noted. transaction: its newest; None: there is no data.mdb.

    StoreDamagedError: it is gone, or older than it was.
    """
    path = folder / "data.mdb"
    if transaction is None:
        raise StoreDamagedError(f"{path} is missing or empty: it held the node's records")
    if transaction < state.transaction:
        raise StoreDamagedError(
            f"{path} is an older copy: it ends with transaction {transaction}, where there had been"
            f" {state.transaction}"
        )


class StateFile:
    """Writes the file, from one thread at a time."""

    def __init__(self, folder: Path, state: State) -> None:
        """Write it anew, durably. StoreError."""
        self._path, self.state = folder / _NAME, state
        try:
            replace_durably(self._path, _packed(state))
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise store_error(f"{self._path} can't be written", error) from error

    def note(self, segment: int, end: int) -> None:
        """Note how far the log is acknowledged, without a sync. Where that fails the older note stands, which
        accuses of less.
        """
        self.state = replace(self.state, segment=segment, end=end)
        with suppress(OSError):
            os.pwrite(self._fd, _packed(self.state), 0)

    def note_transaction(self, transaction: int) -> None:
        """Note the newest transaction of data.mdb, without a sync; where that fails, as for `note`."""
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
