"""Tests limedb/storage/filesystem/json_file.py."""

import json
from pathlib import Path

import pytest

from limedb.core.record import Record
from limedb.encoding.record import encode
from limedb.errors import StoreCorruptError, StoreFullError
from limedb.storage.filesystem.store import FilesystemStore
from limedb.storage.seal import seal_of
from tests.storage.disks import SmallDisk
from tests.storage.kinds import NOW, text, tombstone


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "n.json"


def _write(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8", errors="surrogateescape")


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="surrogateescape")


def _inode(file: Path) -> int:
    return file.stat().st_ino


async def test_a_file_of_the_go_limedb_opens(file: Path) -> None:
    _write(file, '{"k":"v","b/c":"\\u003cü\\u003e","empty":""}')
    store = FilesystemStore(file)
    assert await store.get_many(["k", "b/c", "empty"]) == [
        Record("k", "v", 0),
        Record("b/c", "<ü>", 0),
        Record("empty", "", 0),
    ]
    assert (store.count(), store.high_water()) == (3, 0)
    await store.close()


async def test_a_write_keeps_what_the_go_limedb_wrote(file: Path) -> None:
    _write(file, '{"k":"v","other":"stays"}')
    store = FilesystemStore(file)
    [applied] = await store.apply([text("k", "new", 7)], NOW)
    assert (applied.superseded_by, applied.existed) == (0, True)
    await store.close()
    assert json.loads(_read(file)) == {
        "k": {"version": "7", "value": "new", "check": _check(text("k", "new", 7))},
        "other": "stays",
    }


def _check(record: Record) -> str:
    return seal_of(encode(record)).hex()


async def test_records_are_written_as_protobuf_json(file: Path) -> None:
    store = FilesystemStore(file)
    records = [Record("a", b"\xff", 7, NOW), tombstone("b", 8), text("ü", "", 9)]
    await store.apply(records, NOW)
    await store.close()
    assert json.loads(_read(file)) == {
        "a": {"version": "7", "expiresAtMs": str(NOW), "blob": "/w==", "check": _check(records[0])},
        "b": {"version": "8", "tombstone": True, "check": _check(records[1])},
        "ü": {"version": "9", "value": "", "check": _check(records[2])},
    }


async def test_a_file_that_changed_under_the_store_is_read_again(file: Path) -> None:
    store = FilesystemStore(file)
    await store.apply([text("a")], NOW)
    _write(file, '{"b":"by hand"}')
    assert await store.get_many(["a", "b"]) == [None, Record("b", "by hand", 0)]
    assert store.count() == 1
    await store.close()


async def test_a_write_that_changes_nothing_leaves_the_file_alone(file: Path) -> None:
    store = FilesystemStore(file)
    await store.apply([text("a", version=5)], NOW)
    before = _inode(file)
    await store.apply([text("a", version=4)], NOW)
    assert _inode(file) == before
    await store.close()


@pytest.mark.parametrize(
    "content",
    ["", "{", '["a"]', '{"a":1}', '{"a":null}', '{"a":{"version":"x"}}', '{"\\ud800":"v"}', '{"a":"\udcff"}'],
)
async def test_a_file_that_is_not_ours_is_refused_and_kept(file: Path, content: str) -> None:
    _write(file, content)
    with pytest.raises(StoreCorruptError, match=r"n\.json.*nothing was overwritten"):
        FilesystemStore(file)
    assert _read(file) == content


async def test_an_entry_that_is_no_record_is_named(file: Path) -> None:
    _write(file, '{"a":{"version":"1","color":"red"},"b":"v"}')
    store = FilesystemStore(file)
    assert await store.get("b") == Record("b", "v", 0)
    with pytest.raises(StoreCorruptError, match="its entry isn't a record"):
        await store.get("a")
    await store.close()


async def test_a_file_that_breaks_under_the_store_is_not_overwritten(file: Path) -> None:
    store = FilesystemStore(file)
    _write(file, "{")
    with pytest.raises(StoreCorruptError):
        await store.apply([text("a")], NOW)
    assert _read(file) == "{"
    await store.close()


@pytest.mark.root
async def test_a_full_disk_leaves_the_old_file(small_disk: SmallDisk) -> None:
    store = FilesystemStore(small_disk.path / "n.json")
    await store.apply([text("a")], NOW)
    with pytest.raises(StoreFullError, match="disk is full"):
        await store.apply([text("b", "x" * (2 << 20))], NOW)
    assert await store.get_many(["a", "b"]) == [text("a"), None]
    assert await store.apply([text("c")], NOW)
    assert sorted(small_disk.names()) == ["n.json", "n.json.lock"]
    await store.close()
