"""The mark of refused writes: it is kept over a restart, and where it can't be made nothing fails."""

from pathlib import Path

from limedb.storage.owed_mark import OwedMarkFile


async def test_a_mark_is_found_again_until_it_is_cleared(tmp_path: Path) -> None:
    mark = OwedMarkFile(tmp_path / "refused")
    assert not mark.is_set()
    await mark.set()
    assert OwedMarkFile(tmp_path / "refused").is_set()
    assert (tmp_path / "refused").stat().st_mode & 0o777 == 0o600
    await mark.clear()
    await mark.clear()
    assert not mark.is_set()


async def test_a_mark_that_cant_be_made_fails_nothing(tmp_path: Path) -> None:
    mark = OwedMarkFile(tmp_path / "gone" / "refused")
    await mark.set()
    await mark.clear()
    assert not mark.is_set()
