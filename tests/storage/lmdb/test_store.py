"""Tests limedb/storage/lmdb/counters.py, limedb/storage/lmdb/reader.py, limedb/storage/lmdb/env.py and
limedb/storage/lmdb/writer.py.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import lmdb
import psutil
import pytest

from limedb.encoding.record import encode
from limedb.errors import StoreClosedError, StoreCorruptError, StoreError, StoreFullError
from limedb.ports import Applied
from limedb.storage.lmdb.layout import stored_key
from limedb.storage.lmdb.store import LmdbStore
from limedb.storage.seal import sealed
from tests.storage.disks import SmallDisk, compile_shim
from tests.storage.kinds import NOW, fail, open_lmdb, text, tombstone
from tests.support.children import child

CHILD = Path(__file__).with_name("child.py")
LIMIT = 20  # seconds that a child may take before a test gives up


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LmdbStore]:
    opened = open_lmdb(tmp_path / "n.lmdb")
    yield opened
    await opened.close()


async def _fill(store: LmdbStore) -> list[str]:
    """Write until there is no room; the keys that were acknowledged."""
    stored: list[str] = []
    for n in range(10_000):
        try:
            await store.apply([text(f"k{n}", "x" * 3000)], NOW)
        except StoreFullError:
            return stored
        stored.append(f"k{n}")
    raise AssertionError("it never was full")


async def _held(store: LmdbStore) -> list[str]:
    return [record.key for record in await store.scan_keys(None, 100_000, NOW)]


# --- group commit -----------------------------------------------------------------------------


async def test_many_callers_share_few_commits(store: LmdbStore) -> None:
    await asyncio.gather(*(store.apply([text(f"k{n}")], NOW) for n in range(500)))
    assert store.count() == 500
    assert store.commits <= 50


async def test_a_batch_that_finds_no_room_fails_alone(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "n.lmdb", "always", fail, map_size=1 << 20)
    batches = [
        [text("a")],
        [text("b"), text("large", "x" * (2 << 20))],
        [text("a", "y", 2)],
        [tombstone("c")],
    ]
    first, large, second, third = await asyncio.gather(
        *(store.apply(batch, NOW) for batch in batches), return_exceptions=True
    )
    assert isinstance(large, StoreFullError)
    assert "map is full" in str(large)
    assert [first, second, third] == [[Applied(0, False)], [Applied(0, True, 1)], [Applied(0, False)]]
    assert await store.get_many(["a", "b", "large"]) == [text("a", "y", 2), None, None]
    assert store.count() == 1
    await store.close()


async def test_a_write_behind_one_that_failed_does_not_see_it(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "n.lmdb", "always", fail, map_size=1 << 20)
    large = asyncio.ensure_future(store.apply([text("a", "x" * (2 << 20), 9)], NOW))
    await asyncio.sleep(0)
    [applied] = await store.apply([text("a", "small", 5)], NOW)
    assert isinstance((await asyncio.gather(large, return_exceptions=True))[0], StoreFullError)
    assert (applied.superseded_by, applied.existed) == (0, False)
    assert await store.get("a") == text("a", "small", 5)
    assert (store.count(), store.high_water()) == (1, 5)
    await store.close()


# --- no room ----------------------------------------------------------------------------------


async def test_a_full_map_loses_nothing_and_a_larger_one_continues(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "n.lmdb", "always", fail, map_size=1 << 20)
    stored = await _fill(store)
    assert await store.get(stored[0]) == text(stored[0], "x" * 3000)
    await store.close()
    larger = LmdbStore(tmp_path / "n.lmdb", "always", fail, map_size=4 << 20)
    assert await _held(larger) == sorted(stored)
    assert await larger.apply([text("more", "x" * 3000)], NOW)
    assert larger.count() == len(stored) + 1
    await larger.close()


@pytest.mark.root
@pytest.mark.parametrize("durability", ["always", "interval", "none"])
async def test_a_full_disk_loses_nothing_and_room_lets_writes_continue(
    small_disk: SmallDisk, durability: str
) -> None:
    folder = small_disk.path / "n.lmdb"
    store = LmdbStore(folder, durability, fail)
    stored = await _fill(store)
    with pytest.raises(StoreFullError):
        await store.apply([text(f"more{n}", "x" * 3000) for n in range(400)], NOW)
    assert await _held(store) == sorted(stored)
    assert "there is no room" in store.stats().trouble
    small_disk.resize("8m")
    assert await store.apply([text("more", "x" * 3000)], NOW)
    assert store.stats().trouble == ""
    await store.close()
    again = open_lmdb(folder)
    assert await _held(again) == sorted([*stored, "more"])
    assert again.count() == len(stored) + 1
    await again.close()


@pytest.mark.root
async def test_a_write_that_the_full_disk_cuts_short_is_no_broken_disk(small_disk: SmallDisk) -> None:
    store = LmdbStore(small_disk.path / "n.lmdb", "always", fail)
    with pytest.raises(StoreFullError):  # LMDB says EIO here
        await store.apply([text(f"k{n}", "x" * 3000) for n in range(400)], NOW)
    assert await store.apply([text("small")], NOW)
    assert await _held(store) == ["small"]
    await store.close()


@pytest.mark.root
async def test_a_snapshot_that_finds_no_room_leaves_nothing(store: LmdbStore, small_disk: SmallDisk) -> None:
    await store.apply([text("a", "x" * (2 << 20))], NOW)
    with pytest.raises(StoreError):
        await store.snapshot(str(small_disk.path / "copy"))
    assert list((small_disk.path / "copy").iterdir()) == []


# --- a disk that breaks, a process that dies --------------------------------------------------


def _break_the_disk(folder: Path, call: str, durability: str) -> dict[str, Any]:
    """What a process found whose disk broke between two writes."""
    flag = folder / "flag"
    shim = {"LD_PRELOAD": str(compile_shim(folder)), "EIO_FLAG": str(flag), "EIO_CALL": call}
    command = [sys.executable, str(CHILD), str(folder / "n.lmdb"), durability, str(flag)]
    done = subprocess.run(command, env=os.environ | shim, capture_output=True, text=True, timeout=LIMIT)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.process
@pytest.mark.parametrize(
    ("call", "durability"), [("fdatasync", "always"), ("pwrite", "always"), ("pwrite", "none")]
)
async def test_a_broken_disk_stops_writes_for_good(tmp_path: Path, call: str, durability: str) -> None:
    found = _break_the_disk(tmp_path, call, durability)
    assert found["before"] == "stored"
    assert found["broken"].startswith("StoreError: ")
    assert "the disk failed" in found["after"]
    assert found["read"] in ("None", "StoreError")
    assert len(found["told"]) == 1
    store = open_lmdb(tmp_path / "n.lmdb")
    assert await store.get_many(["before", "after"]) == [text("before", "before"), None]
    await store.close()


@pytest.mark.process
def test_a_sync_that_fails_in_the_background_is_reported(tmp_path: Path) -> None:
    found = _break_the_disk(tmp_path, "fdatasync", "interval")
    assert found["broken"] == "stored"
    assert "the disk failed" in found["after"]
    assert len(found["told"]) == 1


def _acknowledged_until_killed(folder: Path) -> list[str]:
    """Keys whose writes a process acknowledged before it was killed amid others."""
    command = [sys.executable, str(CHILD), str(folder), "always"]
    with child(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(300)]
        process.kill()
        acknowledged += list(process.stdout)
    return [line.strip() for line in acknowledged if line.endswith("\n")]


@pytest.mark.process
async def test_a_killed_process_loses_nothing_acknowledged(tmp_path: Path) -> None:
    acknowledged = _acknowledged_until_killed(tmp_path / "n.lmdb")
    assert len(acknowledged) >= 300
    store = open_lmdb(tmp_path / "n.lmdb")
    assert await store.get_many(acknowledged) == [text(key, key) for key in acknowledged]
    assert store.count() == len(await _held(store))
    await store.close()


# --- opening ----------------------------------------------------------------------------------


async def test_the_map_shrinks_until_the_machine_grants_it(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + (8 << 30), before[1]))
    try:
        store = LmdbStore(tmp_path / "n.lmdb", "always", fail)
        assert await store.apply([text("a")], NOW)
        await store.close()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


async def test_a_file_that_is_not_lmdb_is_refused_and_kept(tmp_path: Path) -> None:
    data = tmp_path / "n.lmdb" / "data.mdb"
    data.parent.mkdir()
    data.write_bytes(b"letter" * 4096)
    with pytest.raises(StoreCorruptError, match=r"data\.mdb is damaged: page 0: it isn.t a meta page"):
        open_lmdb(data.parent)
    assert data.read_bytes() == b"letter" * 4096
    with pytest.raises(StoreCorruptError):  # and not "in use": the lock was given back
        open_lmdb(data.parent)


async def test_a_folder_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    await open_lmdb(tmp_path / "n.lmdb").close()
    with lmdb.open(str(tmp_path / "n.lmdb"), max_dbs=8) as env, env.begin(write=True) as txn:
        txn.put(b"format", b"9", db=env.open_db(b"meta", txn=txn))
    with pytest.raises(StoreError, match="has format 9, this LimeDB reads 3"):
        open_lmdb(tmp_path / "n.lmdb")


# --- what stands in the tables ----------------------------------------------------------------


async def _plant(folder: Path, stored: bytes, data: bytes) -> LmdbStore:
    """A store whose main table holds bytes that it did not write."""
    await open_lmdb(folder).close()
    with lmdb.open(str(folder), max_dbs=8, map_size=1 << 20) as env, env.begin(write=True) as txn:
        txn.put(stored, sealed(data), db=env.open_db(b"main", txn=txn))
    return open_lmdb(folder)


@pytest.mark.parametrize("key", ["a", "k" * 600])
async def test_a_record_that_has_strayed_under_another_key_is_not_told(tmp_path: Path, key: str) -> None:
    """The index knows of nothing there."""
    store = await _plant(tmp_path / "n.lmdb", stored_key(key.encode()), encode(text("other", version=3)))
    assert await store.get(key) is None
    assert await store.get("other") is None
    assert await store.scan_keys(None, 9, NOW) == []
    assert await store.apply([text("b"), text(key, version=3)], NOW)
    assert await store.get_many(["b", key]) == [text("b"), text(key, version=3)]
    await store.close()


async def test_bytes_that_are_no_record_are_corrupt(tmp_path: Path) -> None:
    store = await _plant(tmp_path / "n.lmdb", b"a", b"letter")
    with pytest.raises(StoreCorruptError, match="is damaged on disk"):
        await store.get("a")
    with pytest.raises(StoreCorruptError, match="is damaged on disk"):
        await store.apply([text("a")], NOW)
    assert await store.apply([text("b")], NOW)
    await store.close()


async def test_a_write_while_a_cancelled_one_is_on_its_way_sees_it(store: LmdbStore) -> None:
    cancelled = asyncio.ensure_future(store.apply([text("a", version=5)], NOW))
    await asyncio.sleep(0)
    cancelled.cancel()
    [applied] = await store.apply([text("a", version=4)], NOW)
    assert applied.superseded_by == 5


@pytest.mark.parametrize("durability", ["interval", "none"])
async def test_other_durabilities_keep_what_was_written_too(tmp_path: Path, durability: str) -> None:
    store = LmdbStore(tmp_path / "n.lmdb", durability, fail)
    await store.apply([text("a")], NOW)
    assert store.stats().durability == durability
    await store.close()
    again = LmdbStore(tmp_path / "n.lmdb", durability, fail)
    assert await again.get("a") == text("a")
    await again.close()


async def test_a_snapshot_while_writes_continue_is_of_one_moment(store: LmdbStore, tmp_path: Path) -> None:
    async def write() -> None:
        for n in range(200):
            await store.apply([text(f"a{n}"), text(f"b{n}")], NOW)

    writing = asyncio.ensure_future(write())
    await store.apply([text("first")], NOW)
    await store.snapshot(str(tmp_path / "copy"))
    copy = open_lmdb(tmp_path / "copy")
    keys = await _held(copy)
    assert len(keys) == copy.count()
    assert [k[1:] for k in keys if k[0] == "a"] == [k[1:] for k in keys if k[0] == "b"]
    await copy.close()
    await writing


async def test_close_waits_for_scans_in_threads(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "n.lmdb")
    await store.apply([text(f"{n:05}") for n in range(5000)], NOW)
    await store.scan_keys(None, 1, NOW)  # the tables have all, so that no scan waits for that
    scan = asyncio.ensure_future(store.scan_keys(None, 5000, NOW))
    abandoned = asyncio.ensure_future(store.scan_tokens(0, 2**64 - 1, 5000))
    await asyncio.sleep(0)
    abandoned.cancel()
    await store.close()
    assert len(await scan) == 5000
    with pytest.raises(StoreClosedError):
        await store.get("a")


async def test_while_a_store_is_open_nobody_finds_its_table_of_readers(tmp_path: Path) -> None:
    """LMDB maps it, and whoever cut it would kill the process."""
    folder = tmp_path / "n.lmdb"
    folder.mkdir()
    (folder / "lock.mdb").write_bytes(b"\xff" * 8192)
    store = LmdbStore(folder, "always", fail)
    try:
        assert not (folder / "lock.mdb").exists()
    finally:
        await store.close()
