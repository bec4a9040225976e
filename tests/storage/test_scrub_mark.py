"""The mark of scrubbing: it is kept, and a file that is damaged or can't be written fails nothing."""

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


async def test_a_mark_with_a_flipped_digit_starts_from_the_beginning(path: Path) -> None:
    await ScrubMarkFile(path).save(b"\x01", 1234)
    _flip(path)
    assert ScrubMarkFile(path).load() == BEGINNING


def _flip(path: Path) -> None:
    path.write_text(path.read_text().replace("1234", "1235"))


async def test_a_file_that_can_not_be_written_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await ScrubMarkFile(path / "no folder").save(b"\x01", 1)
    assert "can't be written" in caplog.text
