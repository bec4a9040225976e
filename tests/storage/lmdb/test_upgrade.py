"""Opening folders of format 1, whose index held versions alone, and 2, whose records had no checksums.

Tests limedb/storage/lmdb/index.py.
"""

from pathlib import Path
from typing import Any

import lmdb
import pytest

from limedb.core.layout import EVERYTHING
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.errors import RecordDamagedError, StoreError
from limedb.storage.lmdb import upgrade as lmdb_upgrade
from limedb.storage.lmdb.layout import FORMAT_VERSION, number
from limedb.storage.memory.store import MemoryStore
from limedb.storage.seal import SEAL_SIZE
from tests.storage.kinds import NOW, open_lmdb, text, tombstone

RECORDS = [text(f"k{n}", str(n), n + 1) for n in range(50)] + [
    tombstone("gone", 7),
    text("runs", expires_at=NOW),
    text("k" * 600),
    text("k" * 600 + "2"),
]


async def _downgrade(folder: Path, version: bytes = b"1") -> None:
    """Make a store that an older format would have."""
    store = open_lmdb(folder)
    await store.apply(RECORDS, NOW)
    await store.close()
    with lmdb.open(str(folder), max_dbs=8, map_size=1 << 30) as env, env.begin(write=True) as txn:
        tokens = env.open_db(b"tokens", txn=txn)
        if version == b"1":
            for place, packed in list(txn.cursor(tokens).iternext()):
                txn.put(place, packed[:8], db=tokens)
        main, meta = env.open_db(b"main", txn=txn), env.open_db(b"meta", txn=txn)
        for place, stored in list(txn.cursor(main).iternext()):
            txn.put(place, stored[SEAL_SIZE:], db=main)
        for name in (b"count", b"high_water"):
            txn.put(name, (txn.get(name, db=meta) or b"")[:8], db=meta)
        txn.put(b"format", version, db=meta)


async def _check(folder: Path, records: list[Record]) -> None:
    model = MemoryStore(records)
    store = open_lmdb(folder)
    assert await store.entries([EVERYTHING]) == await model.entries([EVERYTHING])
    assert await store.digests([EVERYTHING], 0) == await model.digests([EVERYTHING], 0)
    assert (store.count(), store.high_water()) == (model.count(), model.high_water())
    await store.close()


@pytest.mark.parametrize("version", [b"1", b"2"])
@pytest.mark.parametrize(("batch", "size"), [(1, 1 << 24), (7, 1 << 24), (10_000, 1 << 24), (10_000, 100)])
async def test_an_old_folder_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, size: int, version: bytes
) -> None:
    monkeypatch.setattr(lmdb_upgrade, "BATCH_RECORDS", batch)
    monkeypatch.setattr(lmdb_upgrade, "BATCH_BYTES", size)
    await _downgrade(tmp_path / "n.lmdb", version)
    await _check(tmp_path / "n.lmdb", RECORDS)
    with lmdb.open(str(tmp_path / "n.lmdb"), max_dbs=8) as env, env.begin() as txn:
        assert txn.get(b"format", db=env.open_db(b"meta", txn=txn)) == FORMAT_VERSION


class DyingEnv:
    """An environment whose disk fails at one of its transactions."""

    def __init__(self, env: lmdb.Environment, transactions: int) -> None:
        self._env, self._left = env, transactions

    def begin(self, **options: Any) -> Any:
        if not self._left:
            raise StoreError("the disk failed")
        self._left -= 1
        return self._env.begin(**options)

    def path(self) -> str:
        return self._env.path()


def _upgrade_in_part(folder: Path, version: bytes, transactions: int) -> None:
    """Begin an upgrade whose disk fails behind some transactions."""
    with lmdb.open(str(folder), max_dbs=8, map_size=1 << 30) as env:
        main, tokens, meta = (env.open_db(name) for name in (b"main", b"tokens", b"meta"))
        dying: Any = DyingEnv(env, transactions)
        with pytest.raises(StoreError, match="the disk failed"):
            lmdb_upgrade.upgrade(dying, main, tokens, meta, version)


async def test_an_upgrade_that_was_cut_short_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _downgrade(tmp_path / "n.lmdb")
    monkeypatch.setattr(lmdb_upgrade, "BATCH_RECORDS", 10)
    _upgrade_in_part(tmp_path / "n.lmdb", b"1", 3)
    with lmdb.open(str(tmp_path / "n.lmdb"), max_dbs=8) as env, env.begin() as txn:
        assert txn.get(b"format", db=env.open_db(b"meta", txn=txn)) == b"1"
        tokens = env.open_db(b"tokens", txn=txn)
        sizes = [len(packed) for _, packed in txn.cursor(tokens).iternext()]
        assert sum(size > 8 for size in sizes) == 30
        assert txn.get(number(token_of("k1")) + b"k1", db=tokens)
    await _check(tmp_path / "n.lmdb", RECORDS)


@pytest.mark.parametrize("version", [b"1", b"2"])
async def test_an_upgrade_that_is_cut_short_anywhere_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: bytes
) -> None:
    monkeypatch.setattr(lmdb_upgrade, "BATCH_RECORDS", 20)
    for transactions in range({b"1": 9, b"2": 5}[version]):
        folder = tmp_path / f"{transactions}.lmdb"
        await _downgrade(folder, version)
        _upgrade_in_part(folder, version, transactions)
        await _check(folder, RECORDS)


async def test_what_was_damaged_before_is_found_by_the_index(tmp_path: Path) -> None:
    await _downgrade(tmp_path / "n.lmdb", b"2")
    with (
        lmdb.open(str(tmp_path / "n.lmdb"), max_dbs=8, map_size=1 << 30) as env,
        env.begin(write=True) as txn,
    ):
        main = env.open_db(b"main", txn=txn)
        data = txn.get(b"k7", db=main) or b""
        txn.put(b"k7", data[:-1] + bytes((data[-1] ^ 1,)), db=main)
    store = open_lmdb(tmp_path / "n.lmdb")
    with pytest.raises(RecordDamagedError):
        await store.get("k7")
    assert await store.get("k8") == RECORDS[8]
    await store.close()
