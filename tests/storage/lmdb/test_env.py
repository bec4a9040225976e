"""What a node says of its files when it can't continue with them."""

import ctypes
from pathlib import Path

import lmdb
import pytest

from limedb.errors import StoreDamagedError, StoreError
from limedb.storage.lmdb.env import broken, damaged_in_use, open_env

FOLDER = Path("/data/n.lmdb")
IN_USE = "/data/n.lmdb/data.mdb was damaged while it was in use"


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (lmdb.CorruptedError("mdb_cursor_put"), IN_USE),
        (lmdb.PageNotFoundError("mdb_get"), IN_USE),
        (lmdb.MapResizedError("mdb_txn_begin"), IN_USE),  # its first pages were overwritten
        (lmdb.InvalidError("mdb_txn_begin"), IN_USE),
        (StoreDamagedError(damaged_in_use(FOLDER, lmdb.PanicError("mdb_get"))), IN_USE),
        (OSError(5, "Input/output error"), "the disk failed ([Errno 5] Input/output error)"),
        (FileNotFoundError(2, "No such file"), "/data/n.lmdb is gone: it was moved, deleted or replaced"),
    ],
)
def test_the_reason_names_the_file_and_whether_the_disk_or_the_content_is_bad(
    failure: Exception, said: str
) -> None:
    error = broken(FOLDER, failure)
    assert type(error) is StoreError
    assert said in str(error)
    assert str(error).count("was damaged while") <= 1


def test_no_file_holds_what_memory_held_before(tmp_path: Path) -> None:
    """A token of a request whose memory was freed stood in the unused bytes of a page."""
    secret = b"a token that a client has sent"
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    held = [libc.malloc(size) for size in (4096, 4100, 4112) for _ in range(400)]
    for place in held:
        ctypes.memmove(place, (secret * 200)[:4096], 4096)
    for place in held:
        libc.free(place)
    env = open_env(tmp_path, 1 << 24)
    for number in range(200):
        with env.begin(write=True) as writing:
            writing.put(b"key%d" % number, b"value")
    env.close()
    assert (tmp_path / "data.mdb").read_bytes().count(secret) == 0
