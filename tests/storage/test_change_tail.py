"""The log of changes from one run of a node to the next."""

from pathlib import Path

import pytest

from limedb.core.record import Record
from limedb.ports import ChangeTail
from limedb.storage.change_tail import TailFile

TAIL = ChangeTail(
    100, 200, 300, [(210, Record("k", "text", 7), False), (220, Record("b", b"\xff", 8, 99), True)]
)


def saved(path: Path) -> TailFile:
    file = TailFile(path)
    file.save(TAIL, 8)
    return file


def test_it_is_taken_once_as_it_was_left(tmp_path: Path) -> None:
    file = saved(tmp_path / "tail")
    assert file.take(8) == TAIL
    assert file.take(8) is None
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_left_beside_other_data_is_not_used(tmp_path: Path) -> None:
    assert saved(tmp_path / "tail").take(9) is None


def test_no_flipped_bit_and_no_cut_is_taken_for_what_was_left(tmp_path: Path) -> None:
    path = tmp_path / "tail"
    saved(path)
    whole = path.read_bytes()
    damaged = [whole[:n] for n in range(len(whole))]
    damaged += [
        whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :]
        for i in range(len(whole))
        for bit in range(8)
    ]
    for data in damaged:
        path.write_bytes(data)
        assert TailFile(path).take(8) is None


def test_a_disk_that_fails_costs_the_tail_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    TailFile(tmp_path / "none" / "tail").save(TAIL, 8)
    assert "can't be written" in caplog.text
    TailFile(None).save(TAIL, 8)
    assert TailFile(None).take(8) is None


def test_one_that_could_not_be_read_is_not_found_by_a_later_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the run in between changes need not raise the high-water mark: hints are older writes."""
    file = saved(tmp_path / "tail")

    def fail(_: Path) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", fail)
        assert file.take(8) is None
    assert "the node counts for watches some seconds later" in caplog.text
    assert file.take(8) is None
