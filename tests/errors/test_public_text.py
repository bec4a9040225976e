"""What a caller reads of an error that names files of the node.

Tests limedb/errors/stores.py and limedb/replication/replica_errors.py.
"""

from pathlib import Path

import pytest

from limedb.errors import RecordDamagedError, StoreCorruptError, StoreError, StoreFullError
from limedb.replication.replica_errors import failure_text
from limedb.storage.files import store_error
from limedb.storage.lmdb.env import broken, explain, full_error
from limedb.wire.status import status_of

FOLDER = Path("/srv/limedb-data/http-node1-8484.lmdb")
GONE = FileNotFoundError(2, "No such file or directory", str(FOLDER / "data.mdb"))


@pytest.mark.parametrize(
    "error",
    [
        full_error(OSError(28, "No space left on device"), FOLDER),
        broken(FOLDER, GONE),
        broken(FOLDER, OSError(5, "Input/output error")),
        explain(OSError(5, "Input/output error"), FOLDER),
        store_error(f"{FOLDER}/wal", OSError(28, "No space left on device")),
        StoreError("data/http-node1-8484.lmdb: the disk failed"),
        StoreCorruptError(f"snapshot {FOLDER} is damaged: bad header"),
    ],
    ids=str,
)
def test_no_folder_of_a_node_reaches_its_callers(error: StoreError) -> None:
    assert "/" in str(error), "the log has it"
    for text in (status_of(error).message, failure_text(error)):
        assert "srv" not in text
        assert "data/" not in text
        assert ".lmdb" in text or "wal" in text


def test_what_is_no_folder_stays() -> None:
    full = StoreFullError("/srv/x.lmdb: the disk is full; see docs/damage.md, or http://node1:8484")
    assert full.public_text == "x.lmdb: the disk is full; see docs/damage.md, or http://node1:8484"
    damaged = RecordDamagedError(("/shop/cart/7",), "its checksum differs")
    assert damaged.public_text == str(damaged)
    assert "'/shop/cart/7'" in status_of(damaged).message
