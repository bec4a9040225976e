"""Opening a folder of format 1, whose index held versions alone."""

from pathlib import Path

import lmdb
import pytest

from limedb.core.layout import EVERYTHING
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.errors import StoreError
from limedb.storage import lmdb_upgrade
from limedb.storage.lmdb_layout import number
from limedb.storage.memory_store import MemoryStore
from tests.storage.kinds import NOW, open_lmdb, text, tombstone

RECORDS = [text(f"k{n}", str(n), n + 1) for n in range(50)] + [
    tombstone("gone", 7),
    text("runs", expires_at=NOW),
    text("k" * 600),
    text("k" * 600 + "2"),
]


async def _downgrade(folder: Path) -> None:
    """Make a store that format 1 would have."""
    store = open_lmdb(folder)
    await store.apply(RECORDS, NOW)
    await store.close()
    with lmdb.open(str(folder), max_dbs=8, map_size=1 << 30) as env, env.begin(write=True) as txn:
        tokens = env.open_db(b"tokens", txn=txn)
        for place, packed in list(txn.cursor(tokens).iternext()):
            txn.put(place, packed[:8], db=tokens)
        txn.put(b"format", b"1", db=env.open_db(b"meta", txn=txn))


async def _check(folder: Path, records: list[Record]) -> None:
    model = MemoryStore(records)
    store = open_lmdb(folder)
    assert await store.entries([EVERYTHING]) == await model.entries([EVERYTHING])
    assert await store.digests([EVERYTHING], 0) == await model.digests([EVERYTHING], 0)
    assert (store.count(), store.high_water()) == (model.count(), model.high_water())
    await store.close()


@pytest.mark.parametrize("batch", [1, 7, 10_000])
async def test_an_old_folder_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(lmdb_upgrade, "_BATCH", batch)
    await _downgrade(tmp_path / "n.lmdb")
    await _check(tmp_path / "n.lmdb", RECORDS)
    with lmdb.open(str(tmp_path / "n.lmdb"), max_dbs=8) as env, env.begin() as txn:
        assert txn.get(b"format", db=env.open_db(b"meta", txn=txn)) == b"2"


async def test_an_upgrade_that_was_cut_short_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _downgrade(tmp_path / "n.lmdb")
    calls = 0

    def dies(stored: bytes, data: bytes) -> tuple[bytes, bytes]:
        nonlocal calls
        calls += 1
        if calls > 30:
            raise StoreError("the disk failed")
        return index_entry(stored, data)

    index_entry = lmdb_upgrade._index_entry
    monkeypatch.setattr(lmdb_upgrade, "_BATCH", 10)
    monkeypatch.setattr(lmdb_upgrade, "_index_entry", dies)
    with pytest.raises(StoreError, match="the disk failed"):
        open_lmdb(tmp_path / "n.lmdb")
    monkeypatch.undo()
    with lmdb.open(str(tmp_path / "n.lmdb"), max_dbs=8) as env, env.begin() as txn:
        assert txn.get(b"format", db=env.open_db(b"meta", txn=txn)) == b"1"
        tokens = env.open_db(b"tokens", txn=txn)
        assert {len(packed) for _, packed in txn.cursor(tokens).iternext()} > {8}
        assert txn.get(number(token_of("k1")) + b"k1", db=tokens)
    await _check(tmp_path / "n.lmdb", RECORDS)
