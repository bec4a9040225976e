"""Damaged records: never returned, never taken to be absent, found by scrubbing, and mended.

Tests limedb/storage/lmdb/mending.py and limedb/storage/lmdb/sound.py.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from limedb.core.key_range import KeyRange
from limedb.core.layout import EVERYTHING
from limedb.core.record import Record
from limedb.core.ring import TOKENS
from limedb.encoding.record import encode
from limedb.errors import RecordDamagedError, StoreCorruptError
from limedb.ports import Store
from limedb.storage.lmdb.layout import index_key, stored_key
from limedb.storage.lmdb.store import LmdbStore
from limedb.storage.seal import SEAL_SIZE
from tests.storage.kinds import FILESYSTEM, LMDB, NOW, Kind, open_lmdb, text, tombstone
from tests.storage.rot import JsonFile, LmdbFolder

LONG = "k" * 600
RECORDS = [
    text("a", "x" * 20, 5),
    text("b", "short", 6, NOW * 2),
    tombstone("c", 7),
    Record("d", b"\xff\x00blob", 8),
    text(LONG, "of a long key", 9),
    *(text(f"e{i}", str(i), 10 + i) for i in range(20)),
]
BY_KEY = {record.key: record for record in RECORDS}
KEYS = [*BY_KEY, "absent"]


async def _filled(kind: Kind, path: Path) -> None:
    store = kind.open(path)
    await store.apply(RECORDS, NOW)
    await store.close()


def _rot(kind: Kind, path: Path, key: str) -> None:
    folder = LmdbFolder(path / "n.lmdb") if kind is LMDB else JsonFile(path / "n.json")
    folder.rot(key)


kinds = pytest.mark.parametrize("kind", [LMDB, FILESYSTEM], ids=lambda kind: kind.name)
keys = pytest.mark.parametrize("key", ["a", "b", "c", "d", LONG], ids=lambda key: key[:3])


@keys
@kinds
async def test_a_damaged_record_is_neither_told_nor_absent(kind: Kind, key: str, tmp_path: Path) -> None:
    await _filled(kind, tmp_path)
    _rot(kind, tmp_path, key)
    store = kind.open(tmp_path)
    with pytest.raises(RecordDamagedError):
        await store.get(key)
    held = await store.get_many(KEYS)
    assert [h for h in held if isinstance(h, Record)] == [r for r in RECORDS if r.key != key]
    assert [k for k, h in zip(KEYS, held, strict=True) if isinstance(h, RecordDamagedError)] == [key]
    for walk in (
        store.scan_range(KeyRange("", None), 100, 1 << 20),
        store.scan_tokens(0, TOKENS - 1, 100),
        store.entries([EVERYTHING]),
    ):
        with pytest.raises(RecordDamagedError) as error:
            await walk
        assert error.value.keys == (key,)
    assert key in store.damage
    assert len(store.damage) == 1
    await store.close()


@keys
@kinds
async def test_a_write_does_not_merge_with_what_is_damaged(kind: Kind, key: str, tmp_path: Path) -> None:
    """Nothing of its batch is written: an older record in the place would pass for the newest."""
    await _filled(kind, tmp_path)
    _rot(kind, tmp_path, key)
    store = kind.open(tmp_path)
    with pytest.raises(RecordDamagedError) as error:
        await store.apply([text("new"), text(key, "other", 3)], NOW)
    assert error.value.keys == (key,)
    assert await store.get("new") is None
    await store.close()


@pytest.mark.parametrize("found", ["same", "other", "none"])
@keys
@kinds
async def test_what_was_found_elsewhere_takes_its_place(
    kind: Kind, key: str, found: str, tmp_path: Path
) -> None:
    await _filled(kind, tmp_path)
    _rot(kind, tmp_path, key)
    store = kind.open(tmp_path)
    record = {"same": BY_KEY[key], "other": text(key, "older", 2), "none": None}[found]
    await store.mend(key, record)
    await _check(store, {**BY_KEY, key: record})
    await store.close()
    store = kind.open(tmp_path)  # from the disk, too
    await _check(store, {**BY_KEY, key: record})
    await store.close()


@kinds
async def test_what_is_not_damaged_is_merged_and_not_removed(kind: Kind, tmp_path: Path) -> None:
    await _filled(kind, tmp_path)
    store = kind.open(tmp_path)
    await store.mend("a", None)
    await store.mend("d", text("d", "older", 2))
    await store.mend("e1", text("e1", "newer", 50))
    await _check(store, {**BY_KEY, "e1": text("e1", "newer", 50)})
    await store.close()


async def _check(store: Store, wanted: dict[str, Record | None]) -> None:
    records = [record for record in wanted.values() if record is not None]
    assert await store.get_many([*wanted]) == [*wanted.values()]
    page = await store.scan_range(KeyRange("", None), 100, 1 << 20)
    assert page.records == sorted(records, key=lambda record: record.key)
    assert {entry.key for entry in await store.entries([EVERYTHING])} == {record.key for record in records}
    assert store.count() == sum(not record.is_tombstone for record in records)


@kinds
async def test_a_scrub_finds_what_nobody_reads(kind: Kind, tmp_path: Path) -> None:
    await _filled(kind, tmp_path)
    for key in ("a", "e3"):
        _rot(kind, tmp_path, key)
    store = kind.open(tmp_path)
    assert await _scrub(store) == len(RECORDS)
    assert [key for key, _ in store.damage.some(9)] == ["a", "e3"]
    await store.close()


async def _scrub(store: Store) -> int:
    step = await store.scrub(b"", 100)
    records = step.records
    while step.place:
        step = await store.scrub(step.place, 100)
        records += step.records
    return records


# --- LMDB: any bit


async def test_any_bit_of_a_record_is_found(tmp_path: Path) -> None:
    """Its checksum, version, key and value; each bit on its own, in the key's place of the tree too."""
    await _filled(LMDB, tmp_path)
    folder = LmdbFolder(tmp_path / "n.lmdb")
    for key in "a", "b", LONG:
        at = stored_key(key.encode())
        for bit in [*range(0, 8 * 50, 13)]:
            folder.flip_record(at, bit)
            store = open_lmdb(tmp_path / "n.lmdb")
            with pytest.raises(RecordDamagedError):
                await store.get(key)
            await store.close()
            folder.flip_record(at, bit)
    store = open_lmdb(tmp_path / "n.lmdb")
    await _check(store, dict(BY_KEY))
    await store.close()


@pytest.mark.parametrize("bit", [0, 3, 7])
@keys
async def test_a_record_under_a_changed_key_is_missing_and_not_absent(
    key: str, bit: int, tmp_path: Path
) -> None:
    await _filled(LMDB, tmp_path)
    LmdbFolder(tmp_path / "n.lmdb").flip_key(stored_key(key.encode()), bit)
    store = open_lmdb(tmp_path / "n.lmdb")
    with pytest.raises(RecordDamagedError):
        await store.get(key)
    with pytest.raises(RecordDamagedError):
        await store.apply([text(key, "other", 3)], NOW)
    with pytest.raises(StoreCorruptError):
        await store.scan_range(KeyRange("", None), 100, 1 << 20)
    await _scrub(store)
    assert key in store.damage
    for damaged, _ in store.damage.some(9):
        await store.mend(damaged, BY_KEY.get(damaged))
    await _scrub(store)
    await _check(store, dict(BY_KEY))
    await store.close()


@keys
async def test_a_whole_record_of_another_key_is_never_given_out(key: str, tmp_path: Path) -> None:
    """Answers trust the store in this: they don't look at the key again."""
    places = {name: stored_key(name.encode()) for name in BY_KEY if name != key}
    await _filled(LMDB, tmp_path)
    folder = LmdbFolder(tmp_path / "n.lmdb")
    for place in places.values():
        folder.copy_record(stored_key(key.encode()), place)
    store = open_lmdb(tmp_path / "n.lmdb")
    assert all(isinstance(found, RecordDamagedError) for found in store.stored([*places]))
    assert await store.get(key) == BY_KEY[key]
    await store.close()


@pytest.mark.parametrize("bit", range(0, 8 * 16, 11))
async def test_a_damaged_entry_of_the_index_is_mended_when_it_is_compared(bit: int, tmp_path: Path) -> None:
    await _filled(LMDB, tmp_path)
    place = index_key("a", b"a")
    LmdbFolder(tmp_path / "n.lmdb").flip_value(place, bit, b"tokens")
    await _is_mended(tmp_path, lambda store: store.entries([EVERYTHING]))


@pytest.mark.parametrize(
    ("key", "bit"), [("a", 0), ("a", 30), ("a", 64), ("a", 66), ("a", 71), (LONG, 0), (LONG, 30)]
)
async def test_an_entry_in_a_wrong_place_is_mended_by_a_scrub(key: str, bit: int, tmp_path: Path) -> None:
    await _filled(LMDB, tmp_path)
    folder = LmdbFolder(tmp_path / "n.lmdb")
    folder.flip_key(index_key(key, stored_key(key.encode())), bit, b"tokens")
    await _is_mended(tmp_path, _scrub)


async def test_a_missing_entry_is_written_again_by_a_scrub(tmp_path: Path) -> None:
    await _filled(LMDB, tmp_path)
    LmdbFolder(tmp_path / "n.lmdb").delete(index_key("a", b"a"), b"tokens")
    await _is_mended(tmp_path, _scrub)


async def _is_mended(path: Path, look: Callable[[LmdbStore], Awaitable[object]]) -> None:
    """A wrong index entry is right after a look, without any other replica."""
    before = LMDB.open(path / "model")
    await before.apply(RECORDS, NOW)
    store = open_lmdb(path / "n.lmdb")
    await look(store)
    for damaged, _ in store.damage.some(9):  # an entry that names no record
        await store.mend(damaged, BY_KEY.get(damaged))
    await _scrub(store)
    assert await store.digests([EVERYTHING], 0) == await before.digests([EVERYTHING], 0)
    await _check(store, dict(BY_KEY))
    assert store.damage.index or store.damage.found
    await store.close()
    await before.close()


@pytest.mark.parametrize("name", [b"count", b"high_water"])
async def test_a_damaged_counter_is_counted_again(name: bytes, tmp_path: Path) -> None:
    await _filled(LMDB, tmp_path)
    LmdbFolder(tmp_path / "n.lmdb").flip_value(name, 61, b"meta")
    store = open_lmdb(tmp_path / "n.lmdb")
    assert (store.count(), store.high_water()) == (len(RECORDS) - 1, 29)
    await store.close()


@pytest.mark.parametrize("bit", range(0, 64, 5))
async def test_a_damaged_format_is_no_older_one(bit: int, tmp_path: Path) -> None:
    await _filled(LMDB, tmp_path)
    LmdbFolder(tmp_path / "n.lmdb").flip_value(b"format", bit, b"meta")
    with pytest.raises(Exception, match="has format"):
        open_lmdb(tmp_path / "n.lmdb")


async def test_keys_that_are_out_of_order_are_damage_of_the_file(tmp_path: Path) -> None:
    await _filled(LMDB, tmp_path)
    path = tmp_path / "n.lmdb" / "data.mdb"
    data, record = bytearray(path.read_bytes()), encode(BY_KEY["e3"])
    data[data.index(record) - SEAL_SIZE - 1] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(StoreCorruptError):
        await _open_and_scrub(tmp_path / "n.lmdb")


async def _open_and_scrub(folder: Path) -> None:
    store = open_lmdb(folder)
    try:
        await _scrub(store)
    finally:
        await store.close()


async def test_a_write_in_the_log_goes_over_what_is_damaged(tmp_path: Path) -> None:
    """The log was merged with it while it was whole."""
    store = open_lmdb(tmp_path / "n.lmdb")
    await store.apply([text("a", "old", 1)], NOW)
    await store.entries([EVERYTHING])  # the tables have it
    await store.apply([text("a", "new", 2)], NOW)
    log = {path.name: path.read_bytes() for path in (tmp_path / "n.lmdb").glob("log-*")}
    await store.close()
    LmdbFolder(tmp_path / "n.lmdb").rot("a")
    for name, data in log.items():
        (tmp_path / "n.lmdb" / name).write_bytes(data)
    store = open_lmdb(tmp_path / "n.lmdb")
    assert await store.get("a") == text("a", "new", 2)
    await store.close()


async def test_a_snapshot_of_damaged_records_is_refused(tmp_path: Path) -> None:
    await _filled(LMDB, tmp_path)
    LmdbFolder(tmp_path / "n.lmdb").rot("a")
    store = open_lmdb(tmp_path / "n.lmdb")
    with pytest.raises(StoreCorruptError, match="the copy holds damaged records"):
        await store.snapshot(str(tmp_path / "snapshot"))
    await store.close()


async def test_another_record_of_the_same_version_is_reported(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "n.lmdb")
    await store.apply([text("a", "one", 5), text("b", "one", 5)], NOW)
    await store.apply([text("a", "one", 5), text("b", "other", 5), text("a", "one", 6)], NOW)
    assert (store.damage.conflicts, store.damage.conflict[0]) == (1, "b")
    await store.close()
