"""What a node says of its files when it can't continue with them."""

from pathlib import Path

import lmdb
import pytest

from limedb.errors import StoreDamagedError, StoreError
from limedb.storage.lmdb.env import broken, damaged_in_use

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
