"""The time that a node writes down: it is found again, and a damaged file fails nothing."""

import asyncio
from pathlib import Path

import pytest

from limedb.ports import SeenTime
from limedb.storage.time_mark import TimeMarkFile

NONE = SeenTime(0, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "time"


def test_the_last_time_is_found_again(path: Path) -> None:
    mark = TimeMarkFile(path)
    assert mark.load() == NONE
    asyncio.run(mark.save(SeenTime(1_700_000_000_000, 30_000)))
    asyncio.run(mark.save(SeenTime(1_700_000_030_000, 0)))
    assert TimeMarkFile(path).load() == (1_700_000_030_000, 0)
    assert [found.name for found in path.parent.iterdir()] == ["time"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", "[1, 2]\n0000", "\xff" * 40])
def test_a_damaged_file_is_named_and_holds_no_time(
    text: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text(text, "latin-1")
    assert TimeMarkFile(path).load() == NONE
    assert "expired values may be there again" in caplog.text


def test_no_flipped_bit_and_no_cut_is_taken_for_a_time(path: Path) -> None:
    asyncio.run(TimeMarkFile(path).save(SeenTime(1_700_000_000_000, 30_000)))
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(data)
        assert TimeMarkFile(path).load() == NONE, place
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert TimeMarkFile(path).load() == NONE, end


async def test_a_file_that_can_not_be_written_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await TimeMarkFile(path / "no folder").save(SeenTime(1, 1))
    assert "can't be written" in caplog.text
