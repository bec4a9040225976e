"""Tests limedb/storage/lmdb/hint_writer.py and limedb/storage/held_file.py."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import lmdb
import pytest

from limedb.core.record import Record
from limedb.encoding.record import encode
from limedb.errors import LimeDBError, StoreClosedError, StoreCorruptError, StoreDamagedError, StoreError
from limedb.storage.lmdb.hints import LmdbHintLog
from limedb.storage.lmdb.layout import number
from limedb.storage.opening import open_hint_log, open_operation_log
from tests.storage.disks import SmallDisk
from tests.storage.kinds import NOW, text, tombstone
from tests.support.waiting import wait_for

B, C = "http://b:1", "http://b:12"
HINTS = [
    text("a", "1", 1),
    Record("b", b"\xff", 2, NOW),
    tombstone("c", 3),
    text("k" * 4000),
    text("a", "2", 2),
]


@pytest.fixture
async def hints(tmp_path: Path) -> AsyncIterator[LmdbHintLog]:
    opened = LmdbHintLog(tmp_path / "n.hints")
    yield opened
    await opened.close()


async def test_hints_are_given_back_oldest_first_until_they_are_done(hints: LmdbHintLog) -> None:
    assert hints.add(B, HINTS[:3], NOW)
    assert hints.add(B, HINTS[3:], NOW)
    assert await hints.oldest(B, 2, 0) == HINTS[:2]
    assert await hints.oldest(B, 99, 0) == HINTS
    await hints.done(B, HINTS[:3])
    assert await hints.oldest(B, 99, 0) == HINTS[3:]
    await hints.done(B, HINTS[3:])
    assert await hints.oldest(B, 99, 0) == []
    assert hints.waiting() == {}


async def test_what_is_written_is_held_by_nobody(hints: LmdbHintLog) -> None:
    """The thread that waits held what it wrote last: as much as a peer missed in a second."""
    hints.add(B, [text("a")], NOW)
    await hints.oldest(B, 1, 0)
    thread = hints._writer._thread

    def held() -> list[str]:
        frame, found = sys._current_frames()[thread.ident or 0], list[str]()
        while frame is not None:
            if frame.f_code.co_filename.endswith("hint_writer.py"):
                found += [name for name in frame.f_locals if name != "self"]
            frame = frame.f_back
        return found

    async with asyncio.timeout(20):
        while held():  # noqa: ASYNC110 (a waiting thread sets no event)
            await asyncio.sleep(0.01)


async def test_nodes_have_hints_of_their_own(hints: LmdbHintLog) -> None:
    hints.add(B, [text("a")], NOW)
    hints.add(C, [text("b"), text("a")], NOW)
    assert await hints.oldest("http://b:", 9, 0) == []
    assert await hints.oldest(B, 9, 0) == [text("a")]
    await hints.done(B, [text("a")])
    assert await hints.oldest(C, 9, 0) == [text("b"), text("a")]
    assert list(hints.waiting()) == [C]


async def test_a_hint_that_was_kept_twice_is_done_once_for_both(hints: LmdbHintLog) -> None:
    hints.add(B, [text("a"), text("a")], NOW)
    taken = await hints.oldest(B, 9, 0)
    await hints.done(B, taken)
    assert await hints.oldest(B, 9, 0) == []
    assert hints.waiting() == {}


async def test_hints_that_came_meanwhile_stay(hints: LmdbHintLog) -> None:
    hints.add(B, [text("a")], NOW)
    taken = await hints.oldest(B, 9, 0)
    hints.add(B, [text("a"), text("b")], NOW)
    await hints.done(B, taken)
    assert await hints.oldest(B, 9, 0) == [text("a"), text("b")]


async def test_what_is_too_old_is_dropped(hints: LmdbHintLog) -> None:
    hints.add(B, [text(f"k{n}") for n in range(1500)], NOW - 2)
    hints.add(B, [text("young")], NOW)
    assert await hints.oldest(B, 10, NOW) == [text("young")]
    await hints.done(B, [text("young")])
    assert hints.waiting() == {}


async def test_a_node_is_forgotten(hints: LmdbHintLog) -> None:
    hints.add(B, [text(f"k{n}") for n in range(1500)], NOW)
    hints.add(C, [text("a")], NOW)
    await hints.forget(B)
    await hints.forget("http://never:1")
    assert await hints.oldest(B, 9, 0) == []
    assert await hints.oldest(C, 9, 0) == [text("a")]
    assert list(hints.waiting()) == [C]


async def test_hints_are_bounded_in_bytes_for_each_node(tmp_path: Path) -> None:
    hints = LmdbHintLog(tmp_path / "n.hints", max_bytes_per_node=2000)
    assert hints.add(B, [text("a", "x" * 1500)], NOW)
    assert not hints.add(B, [text("b", "x" * 1500)], NOW)
    assert hints.add(C, [text("b", "x" * 1500)], NOW)
    assert 1500 < hints.waiting()[B] < 2000
    taken = await hints.oldest(B, 9, 0)
    assert taken == [text("a", "x" * 1500)]
    await hints.done(B, taken)
    assert hints.add(B, [text("b", "x" * 1500)], NOW)
    await hints.close()


async def test_hints_outlive_a_restart(tmp_path: Path) -> None:
    before = LmdbHintLog(tmp_path / "n.hints")
    before.add(B, HINTS, NOW)
    before.add(C, [text("a")], NOW)
    waiting = before.waiting()
    await before.close()
    after = LmdbHintLog(tmp_path / "n.hints")
    assert after.waiting() == waiting
    after.add(B, [text("later")], NOW)
    assert await after.oldest(B, 99, 0) == [*HINTS, text("later")]
    await after.done(B, HINTS)
    assert await after.oldest(B, 99, 0) == [text("later")]
    await after.close()


async def test_a_url_that_is_too_long_has_no_hints(hints: LmdbHintLog) -> None:
    assert not hints.add("http://" + "b" * 600, [text("a")], NOW)
    assert hints.waiting() == {}


async def test_a_closed_log_keeps_nothing(tmp_path: Path) -> None:
    hints = LmdbHintLog(tmp_path / "n.hints")
    await hints.close()
    await hints.close()
    assert not hints.add(B, [text("a")], NOW)
    for call in (hints.oldest(B, 1, 0), hints.done(B, []), hints.forget(B)):
        with pytest.raises(StoreClosedError):
            await call


async def test_a_second_opener_learns_who_holds_the_log(tmp_path: Path) -> None:
    hints = LmdbHintLog(tmp_path / "n.hints")
    with pytest.raises(StoreError, match="is in use by process"):
        LmdbHintLog(tmp_path / "n.hints")
    await hints.close()


async def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.hints").mkdir()
    (tmp_path / "n.hints" / "data.mdb").write_bytes(b"letter" * 4096)
    for _ in range(2):
        with pytest.raises(StoreCorruptError):
            LmdbHintLog(tmp_path / "n.hints")


async def test_a_log_without_room_drops_hints_and_continues(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hints = LmdbHintLog(tmp_path / "n.hints", map_size=1 << 20)
    assert hints.add(B, [text("a")], NOW)
    assert await hints.oldest(B, 9, 0) == [text("a")]
    assert hints.add(B, [text("large", "x" * (2 << 20))], NOW)
    assert await hints.oldest(B, 9, 0) == [text("a")]
    assert "no room" in caplog.text
    assert "1 hints are left to repair" in caplog.text
    assert hints.waiting()[B] < 1000
    assert hints.add(B, [text("b")], NOW)
    assert await hints.oldest(B, 9, 0) == [text("a"), text("b")]
    await hints.close()


@pytest.mark.root
async def test_a_full_disk_drops_hints_and_room_lets_them_continue(small_disk: SmallDisk) -> None:
    hints = LmdbHintLog(small_disk.path / "n.hints")
    assert hints.add(B, [text(f"k{n}", "x" * 3000) for n in range(400)], NOW)
    assert await hints.oldest(B, 999, 0) == []
    small_disk.resize("8m")
    assert hints.add(B, [text("a")], NOW)
    assert await hints.oldest(B, 9, 0) == [text("a")]
    await hints.close()


async def test_hints_reach_the_disk_without_being_asked_for(tmp_path: Path) -> None:
    hints = LmdbHintLog(tmp_path / "n.hints")
    batch = [text("a", "x" * (5 << 20))]  # more than is gathered, so that it isn't waited for others
    assert hints.add(B, batch, NOW)
    data = tmp_path / "n.hints" / "data.mdb"
    await asyncio.to_thread(wait_for, "the hints are written", lambda: data.stat().st_size > 5 << 20)
    await hints.close()


async def test_of_any_flipped_bit_no_hint_comes_that_nobody_gave(tmp_path: Path) -> None:
    folder = tmp_path / "n.hints"
    given = [text(f"key {n}", "v" * 40) for n in range(40)]
    log = LmdbHintLog(folder)
    log.add(B, given, NOW)
    await log.close()
    data, rng, dropped = (folder / "data.mdb").read_bytes(), Random(1), 0
    places = [at for at in range(len(data)) if data[at]]
    for at in rng.sample(places, 60):
        (folder / "data.mdb").write_bytes(data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :])
        try:
            log = LmdbHintLog(folder)
        except StoreDamagedError:
            dropped += 1
            continue
        taken = await log.oldest(B, 99, 0)
        assert [record for record in taken if record not in given] == []
        assert len(taken) >= len(given) - 1
        dropped += len(taken) < len(given)
        await log.close()
    assert dropped > 10


async def test_hints_of_an_older_limedb_are_still_given(tmp_path: Path) -> None:
    await LmdbHintLog(tmp_path / "n").close()
    with lmdb.open(str(tmp_path / "n")) as env, env.begin(write=True) as txn:
        txn.put(B.encode() + b"\0" + number(7), number(NOW) + encode(text("a")))
    log = LmdbHintLog(tmp_path / "n")
    log.add(B, [text("b")], NOW)
    assert await log.oldest(B, 9, NOW) == [text("a"), text("b")]
    await log.close()


async def test_a_damaged_log_is_set_aside_and_a_new_one_is_opened(tmp_path: Path) -> None:
    log = open_hint_log("lmdb", tmp_path, B)
    log.add(C, [text("a")], NOW)
    await log.close()
    (tmp_path / "http:%2F%2Fb:1.hints" / "data.mdb").write_bytes(b"x" * 4096)
    log = open_hint_log("lmdb", tmp_path, B)
    assert log.waiting() == {}
    await log.close()
    (moved,) = (name for name in os.listdir(tmp_path) if ".hints.damaged-" in name)
    assert (tmp_path / moved / "data.mdb").read_bytes() == b"x" * 4096


def take_away(file: Path) -> None:
    file.unlink()


def replace_it(file: Path) -> None:
    file.rename(file.with_name("before"))
    shutil.copyfile(file.with_name("before"), file)


def cut(file: Path) -> None:
    os.truncate(file, 3 * 4096)


def empty(file: Path) -> None:
    os.truncate(file, 0)


@pytest.mark.parametrize(
    ("harm", "what"),
    [(take_away, "is gone: it was moved"), (replace_it, "is gone: it was moved"), (cut, "was cut from"),
     (empty, "was cut from")],
)  # fmt: skip
async def test_a_file_that_is_harmed_in_use_is_touched_no_more_and_named(
    tmp_path: Path, harm: Callable[[Path], None], what: str
) -> None:
    """LMDB maps it: a read of what was cut off would end the process."""
    log = LmdbHintLog(tmp_path / "n")
    log.add(B, [text(f"key {number}") for number in range(1000)], NOW)
    assert len(await log.oldest(B, 9, NOW)) == 9
    harm(tmp_path / "n" / "data.mdb")
    log.look()
    assert what in log.trouble
    assert "keeps no hints until it is restarted" in log.trouble
    assert not log.add(B, [text("later")], NOW)
    assert (log.waiting(), await log.oldest(B, 9, NOW)) == ({}, [])
    await log.done(B, [text("key 1")])
    await log.forget(B)
    await log.close()


@pytest.mark.parametrize("harm", [cut, empty])
async def test_a_file_that_was_cut_is_not_read_before_it_is_looked_at(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    log = LmdbHintLog(tmp_path / "n")
    log.add(B, [text(f"key {number}") for number in range(1000)], NOW)
    assert len(await log.oldest(B, 9, NOW)) == 9
    log.add(B, [text("on its way")], NOW)
    harm(tmp_path / "n" / "data.mdb")
    assert await log.oldest(B, 9, NOW) == []
    assert "was cut from" in log.trouble
    await log.close()


async def test_pages_that_are_damaged_in_use_are_no_failure_of_the_disk(tmp_path: Path) -> None:
    log = LmdbHintLog(tmp_path / "n")
    log.add(B, [text(f"key {number}") for number in range(1000)], NOW)
    assert len(await log.oldest(B, 9, NOW)) == 9
    with (tmp_path / "n" / "data.mdb").open("r+b") as file:
        file.seek(2 * 4096)
        file.write(bytes(os.fstat(file.fileno()).st_size - 2 * 4096))
    with suppress(LimeDBError):
        await log.oldest(B, 9, NOW)
    log.add(B, [text("later")], NOW)
    with suppress(LimeDBError):
        await log.oldest(B, 9, NOW)
    assert "data.mdb was damaged while it was in use" in log.trouble
    assert "the disk failed" not in log.trouble
    await log.close()


@pytest.mark.parametrize("kind", ["hints", "operations"])
async def test_a_start_misses_what_was_there_at_the_last_one(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / f"http:%2F%2Fb:1.{kind}"

    async def start() -> str:
        caplog.clear()
        if kind == "hints":
            await open_hint_log("lmdb", tmp_path, B, has_run=True).close()
        else:
            await open_operation_log("lmdb", tmp_path, B, "always", lambda _: None, has_run=True).close()
        return caplog.text

    assert "http:%2F%2Fb:1" in await start()
    assert await start() == ""
    os.truncate(folder / "data.mdb", 0)
    assert f"{folder / 'data.mdb'} is empty, so it was damaged; its folder is set aside in" in await start()
    (folder / "data.mdb").unlink()
    assert "data.mdb is gone, so it was damaged" in await start()
    assert sum(f".{kind}.damaged-" in name for name in os.listdir(tmp_path)) == 2
    shutil.rmtree(folder)
    assert f"{folder} is gone: it was moved or deleted while the node was stopped" in await start()
