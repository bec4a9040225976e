"""The mark of scrubbing: it is kept, and a file that is damaged or can't be written fails nothing."""

import asyncio
from pathlib import Path

import pytest

from limedb.storage.scrub_mark import ScrubMarkFile

BEGINNING = (b"", 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scrub"


async def test_a_mark_is_found_again(path: Path) -> None:
    mark = ScrubMarkFile(path)
    assert mark.load() == BEGINNING
    await mark.save(b"\x00\xff", 17)
    await mark.save(b"\x01", 18)
    assert ScrubMarkFile(path).load() == (b"\x01", 18)
    assert [found.name for found in path.parent.iterdir()] == ["scrub"]


@pytest.mark.parametrize("text", ["", "[]", '["00", 1]\n0000', "\xff" * 40])
def test_a_damaged_file_starts_from_the_beginning(text: str, path: Path) -> None:
    path.write_text(text, "latin-1")
    assert ScrubMarkFile(path).load() == BEGINNING


def test_no_flipped_bit_no_cut_and_no_other_end_is_taken_for_a_mark(path: Path) -> None:
    asyncio.run(ScrubMarkFile(path).save(b"\x01\xfe", 1234))
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(data)
        assert ScrubMarkFile(path).load() == BEGINNING, place
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert ScrubMarkFile(path).load() == BEGINNING, end
        path.write_bytes(whole + whole[:end] + b"0")
        assert ScrubMarkFile(path).load() == BEGINNING, end


async def test_a_file_that_can_not_be_written_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await ScrubMarkFile(path / "no folder").save(b"\x01", 1)
    assert "can't be written" in caplog.text
