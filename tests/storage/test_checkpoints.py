"""From the log to the tables: what was acknowledged is found before, amid and behind a checkpoint.

Tests limedb/storage/lmdb/group_commit.py, limedb/storage/lmdb/memtable.py, limedb/storage/lmdb/plan.py,
limedb/storage/lmdb/recovery.py, limedb/storage/lmdb/index.py, limedb/storage/lmdb/log_writer.py and
limedb/storage/lmdb/space.py.
"""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limedb.core.layout import EVERYTHING
from limedb.core.record import Record
from limedb.errors import StoreFullError
from limedb.storage.lmdb import write_path as lmdb_write_path
from limedb.storage.lmdb.store import LmdbStore
from limedb.storage.memory.store import MemoryStore
from tests.storage.disks import SmallDisk
from tests.storage.kinds import NOW, fail, open_lmdb, text, tombstone


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LmdbStore]:
    opened = open_lmdb(tmp_path / "n.lmdb")
    yield opened
    await opened.close()


def _logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("log-*"))


def _in_tables(store: LmdbStore) -> int:
    """How many records the tables hold."""
    tables = store._tables
    with tables.env.begin() as txn:
        return int(txn.stat(tables.main)["entries"])


async def _log_is_idle(store: LmdbStore) -> None:
    """Wait until the log's thread has done what it was asked."""
    done = asyncio.get_running_loop().create_future()
    store._path._log.append([], lambda *_: done.set_result(None))
    await done


async def test_a_write_is_answered_from_the_log_alone_and_found(store: LmdbStore) -> None:
    await store.apply([text("a"), text("b")], NOW)
    assert _in_tables(store) == 0
    assert await store.get("a") == text("a")
    assert await store.get_many(["b", "c"]) == [text("b"), None]
    assert store.count() == 2
    assert [record.key for record in await store.scan_keys(None, 9, NOW)] == ["a", "b"]
    assert _in_tables(store) == 2


async def test_what_nobody_asks_for_reaches_the_tables_by_itself(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_write_path, "CHECKPOINT_SECONDS", 0.01)
    await store.apply([text("a")], NOW)
    async with asyncio.timeout(20):
        while not _in_tables(store):  # noqa: ASYNC110 (a file sets no event)
            await asyncio.sleep(0.01)
    assert await store.get("a") == text("a")


async def test_what_is_in_the_tables_is_held_by_nobody(store: LmdbStore) -> None:
    """A thread that waits held what it wrote last: 64 MiB, for as long as nobody wrote again."""
    value = "".join(["v"] * 10_000)  # of this test alone
    before = sys.getrefcount(value)
    await store.apply([text("a", value)], NOW)
    assert await store.scan_keys(None, 9, NOW)
    assert _in_tables(store) == 1
    async with asyncio.timeout(20):
        while sys.getrefcount(value) > before:  # noqa: ASYNC110 (a waiting thread sets no event)
            await asyncio.sleep(0.01)


async def test_nothing_is_left_of_the_log_after_a_clean_end(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "n.lmdb")
    await store.apply([text("a")], NOW)
    assert len(_logs(tmp_path / "n.lmdb")) == 1
    await store.close()
    assert _logs(tmp_path / "n.lmdb") == []
    again = open_lmdb(tmp_path / "n.lmdb")
    assert _in_tables(again) == 1
    await again.close()


async def test_writes_wait_for_a_checkpoint_that_falls_behind(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_write_path, "CHECKPOINT_ITEMS", 10)
    for n in range(200):
        await store.apply([text(f"k{n}-{i}") for i in range(15)], NOW)
        assert len(store._path.memtable.fresh) < 10 * 2 + 15
    assert store.count() == 3000
    assert len(await store.scan_keys(None, 5000, NOW)) == 3000


# --- a crash at any moment --------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "c", "k" * 600, "k" * 600 + "2"])
RECORDS = st.builds(
    Record, KEYS, st.none() | st.text("xy", max_size=2), st.integers(1, 9), st.sampled_from([0, 0, NOW])
)
STEPS = st.lists(
    st.one_of(st.lists(RECORDS, min_size=1, max_size=3), st.just("purge"), st.just("checkpoint")), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
async def test_what_a_crash_leaves_comes_back_as_it_was_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[Record] | str]
) -> None:
    folder = tmp_path_factory.mktemp("crash")
    store, model = open_lmdb(folder / "n.lmdb"), MemoryStore()
    for step in steps:
        if step == "checkpoint":
            await store.scan_keys(None, 1, NOW)
        elif step == "purge":
            entries = await model.entries([EVERYTHING])
            assert await store.purge(entries[:2]) == await model.purge(entries[:2])
        else:
            assert isinstance(step, list)
            assert await store.apply(step, NOW) == await model.apply(step, NOW)
    await _log_is_idle(store)
    shutil.copytree(folder / "n.lmdb", folder / "copy")  # what is on disk at this moment
    await store.close()
    for name in ("copy", "n.lmdb"):
        again = open_lmdb(folder / name)
        assert await again.entries([EVERYTHING]) == await model.entries([EVERYTHING])
        assert again.count() == model.count()
        assert await again.scan_keys(None, 99, NOW) == await model.scan_keys(None, 99, NOW)
        await again.close()


async def test_a_log_that_the_tables_have_already_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "n.lmdb"
    store = open_lmdb(folder)
    await store.apply([text("a", "old", 1), tombstone("gone", 4)], NOW)
    await store.apply([text("a", "new", 2)], NOW)
    await store.purge([e for e in await store.entries([EVERYTHING]) if e.key == "gone"])
    await store.apply([text("b")], NOW)
    (log,) = _logs(folder)
    kept = log.read_bytes()
    await store.close()
    (folder / log.name).write_bytes(kept)
    for _ in range(2):
        again = open_lmdb(folder)
        assert await again.get_many(["a", "b", "gone"]) == [text("a", "new", 2), text("b"), None]
        assert (again.count(), again.high_water()) == (2, 4)
        await again.close()


# --- no room ----------------------------------------------------------------------------------


@pytest.mark.root
async def test_a_disk_that_others_fill_loses_nothing_acknowledged(small_disk: SmallDisk) -> None:
    small_disk.resize("16m")
    store = LmdbStore(small_disk.path / "n.lmdb", "always", fail)
    keys = [f"k{n:03}" for n in range(300)]
    await store.apply([text(key, "x" * 2000) for key in keys], NOW)
    foreign = small_disk.path / "foreign"
    with pytest.raises(OSError, match="No space left"):
        foreign.write_bytes(b"x" * (32 << 20))
    with pytest.raises(StoreFullError):
        await store.apply([text(f"more{n}", "x" * 2000) for n in range(100)], NOW)
    with pytest.raises(StoreFullError):  # the tables can't take what a scan would need
        await store.scan_keys(None, 1000, NOW)
    assert await store.get_many(["k000", "k299", "more0"]) == [
        text("k000", "x" * 2000),
        text("k299", "x" * 2000),
        None,
    ]
    await store.close()
    foreign.unlink()
    again = open_lmdb(small_disk.path / "n.lmdb")
    assert [record.key for record in await again.scan_keys(None, 1000, NOW)] == keys
    assert await again.apply([text("more", "x" * 2000)], NOW)
    await again.close()
