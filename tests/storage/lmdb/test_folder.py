"""A store's folder in which something is damaged, missing or old is refused; what a crash leaves is not.

Tests limedb/storage/files.py.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import lmdb
import pytest

from limedb.core.record import Record
from limedb.errors import StoreDamagedError
from limedb.storage.folder_state import read_state
from limedb.storage.lmdb import write_path as lmdb_write_path
from limedb.storage.lmdb.store import LmdbStore


@pytest.fixture(autouse=True)
def _only_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkpoint begins because time has passed."""
    monkeypatch.setattr(lmdb_write_path, "CHECKPOINT_SECONDS", 3600.0)


def opened(folder: Path, durability: str = "always") -> LmdbStore:
    return LmdbStore(folder, durability, lambda error: None, 1 << 26)


async def crashed(folder: Path, *rounds: str, durability: str = "always") -> None:
    """What is on disk when a store is killed: the last of the rounds is in the log alone."""
    live = folder.with_name("live")
    with suppress(FileNotFoundError):
        shutil.copytree(folder, live)
    store = opened(live, durability)
    for number, value in enumerate(rounds):
        if number:
            await store.scan_keys(None, 1, 1)
        await store.apply([Record(f"{value} {i}", value, 1 + number) for i in range(50)], 1)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(live, folder)
    await store.close()
    shutil.rmtree(live)


async def keys(folder: Path) -> int:
    store = opened(folder)
    count = len(await store.scan_keys(None, 10_000, 1))
    await store.close()
    return count


@pytest.mark.parametrize("durability", ["always", "interval", "none"])
async def test_what_a_crash_leaves_is_opened_with_all_of_it(tmp_path: Path, durability: str) -> None:
    for rounds in range(1, 4):
        await crashed(tmp_path / "n", *"abc"[:rounds], durability=durability)
        shutil.copytree(tmp_path / "n", tmp_path / f"{rounds}")
        assert await keys(tmp_path / f"{rounds}") == 50 * rounds
        assert await keys(tmp_path / f"{rounds}") == 50 * rounds


def log_of(folder: Path) -> Path:
    return max(folder.glob("log-*"))


def no_log(folder: Path) -> None:
    log_of(folder).unlink()


def cut_log(folder: Path) -> None:
    os.truncate(log_of(folder), log_of(folder).stat().st_size - 1)


def cut_log_between_groups(folder: Path) -> None:
    os.truncate(log_of(folder), 8)


def empty_log(folder: Path) -> None:
    os.truncate(log_of(folder), 0)


def flip_end_of_log(folder: Path) -> None:
    data = bytearray(log_of(folder).read_bytes())
    data[-1] ^= 1
    log_of(folder).write_bytes(data)


def no_data(folder: Path) -> None:
    (folder / "data.mdb").unlink()


def no_data_and_no_state(folder: Path) -> None:
    (folder / "data.mdb").unlink()
    (folder / "state").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        no_log,
        cut_log,
        cut_log_between_groups,
        empty_log,
        flip_end_of_log,
        no_data,
        no_data_and_no_state,
    ],
)
async def test_damage_after_a_crash_is_refused_again_and_again(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "n"
    await crashed(folder, "a", "b")
    damage(folder)
    for _ in range(2):  # and a refusal changes nothing
        with pytest.raises(StoreDamagedError):
            opened(folder)


async def test_any_cut_of_what_was_acknowledged_is_refused_and_a_torn_end_is_not(tmp_path: Path) -> None:
    await crashed(tmp_path / "n", "a", "b")
    log = log_of(tmp_path / "n")
    data = log.read_bytes()
    for size in range(0, len(data), 97):
        log.write_bytes(data[:size])
        with pytest.raises(StoreDamagedError):
            opened(tmp_path / "n")
    log.write_bytes(data + b"torn")
    assert await keys(tmp_path / "n") == 100


async def test_an_older_data_file_is_refused_closed_or_crashed(tmp_path: Path) -> None:
    folder = tmp_path / "n"
    await crashed(folder, "a")
    assert await keys(folder) == 50
    old = (folder / "data.mdb").read_bytes()
    await crashed(folder, "b", "c", "d")  # within one run
    (folder / "data.mdb").write_bytes(old)
    with pytest.raises(StoreDamagedError, match=r"log-\d+ is missing|older copy"):
        opened(folder)
    shutil.rmtree(folder)
    await crashed(folder, "a")
    old = (folder / "data.mdb").read_bytes()
    assert await keys(folder) == 50
    (folder / "data.mdb").write_bytes(old)
    with pytest.raises(StoreDamagedError, match="older copy"):
        opened(folder)


async def test_the_file_of_another_folder_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        await crashed(tmp_path / name, name, name)
        assert await keys(tmp_path / name) == 50
    await crashed(tmp_path / "b", "c", "d", "e")
    assert await keys(tmp_path / "b") == 200
    shutil.copyfile(tmp_path / "b" / "data.mdb", tmp_path / "a" / "data.mdb")
    with pytest.raises(StoreDamagedError, match="it comes from another folder"):
        opened(tmp_path / "a")


@pytest.mark.parametrize("name", [b"logged", b"stamp"])
async def test_a_flipped_bit_in_what_data_says_of_itself_loses_nothing(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / "n"
    await crashed(folder, "a", "b")
    with lmdb.open(str(folder), max_dbs=8) as env, env.begin(write=True) as txn:
        table = env.open_db(b"meta", txn=txn)
        value = txn.get(name, db=table)
        txn.put(name, value[:3] + bytes((value[3] ^ 4,)) + value[4:], db=table)
    assert await keys(folder) == 100
    await crashed(folder, "c", "d")
    assert await keys(folder) == 200


async def test_a_lost_state_file_loses_nothing(tmp_path: Path) -> None:
    await crashed(tmp_path / "n", "a", "b")
    (tmp_path / "n" / "state").write_bytes(b"\0" * 56)
    assert await keys(tmp_path / "n") == 100
    (tmp_path / "n" / "state").unlink()
    assert await keys(tmp_path / "n") == 100
    assert read_state(tmp_path / "n") is not None


async def test_where_an_older_limedb_ran_in_between_its_log_is_no_damage(tmp_path: Path) -> None:
    folder = tmp_path / "n"
    await crashed(folder, "a", "b")
    (folder / "limedb.lock").write_text("4711\n")  # as it signs
    log_of(folder).unlink()  # it has brought the log into the tables, and written more
    with lmdb.open(str(folder), max_dbs=8) as env, env.begin(write=True) as txn:
        txn.put(b"older", b"1", db=env.open_db(b"meta", txn=txn))
    assert await keys(folder) == 50
    await crashed(folder, "c")
    log_of(folder).unlink()
    with pytest.raises(StoreDamagedError):  # from then on it is believed again
        opened(folder)


async def test_a_snapshot_opens_as_a_store_of_its_own(tmp_path: Path) -> None:
    store = opened(tmp_path / "n")
    await store.apply([Record("key", "value", 1)], 1)
    await store.snapshot(str(tmp_path / "copy"))
    await store.close()
    assert await keys(tmp_path / "copy") == 1
    assert await keys(tmp_path / "copy") == 1


async def test_data_is_for_its_user_alone_also_where_it_was_made_with_wider_rights(tmp_path: Path) -> None:
    os.umask(0o022)
    folder, copy = tmp_path / "n", tmp_path / "copy"
    copy.mkdir(mode=0o755)
    for _ in range(2):
        store = opened(folder)
        await store.apply([Record("key", "value", 1)], 1)
        assert modes(folder) == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700
        await store.close()
        for path in (folder, *folder.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
    store = opened(folder)
    await store.snapshot(str(copy))
    await store.close()
    assert modes(copy) == {0o600}
    assert copy.stat().st_mode & 0o777 == 0o700


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}
