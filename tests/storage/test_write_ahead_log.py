"""Segments: what is appended is read again, whatever a crash or a full disk cuts off."""

from contextlib import suppress
from pathlib import Path

import pytest

from limedb.errors import StoreCorruptError, StoreDamagedError, StoreError
from limedb.storage.write_ahead_log import (
    NoRoomError,
    WriteAheadLog,
    check_segments,
    groups_in,
    remove_segments,
)
from tests.storage.disks import SmallDisk

GROUPS = [b"one", b"two" * 100, b"", b"\0" * 40, b"last" * 7]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _written(folder: Path, is_synced: bool = True) -> Path:
    """A folder's only segment, with all groups."""
    segments = WriteAheadLog(folder, is_synced)
    for group in GROUPS:
        segments.append([group])
    segments.close()
    return folder / "log-0000000001"


@pytest.mark.parametrize("is_synced", [True, False])
def test_groups_come_back_in_their_order_across_segments(tmp_path: Path, is_synced: bool) -> None:
    segments = WriteAheadLog(tmp_path, is_synced)
    segments.append(GROUPS[:2])
    assert segments.rotate() == 1
    segments.append(GROUPS[2:3])
    segments.append(GROUPS[3:])
    segments.close()
    again = WriteAheadLog(tmp_path, is_synced)
    again.append([b"more"])
    again.close()
    assert [*groups_in(tmp_path)] == [*GROUPS, b"more"]


def test_dropped_segments_are_gone_and_the_others_stay(tmp_path: Path) -> None:
    segments = WriteAheadLog(tmp_path, is_synced=True)
    for group in (b"a", b"b", b"c"):
        segments.append([group])
        segments.rotate()
    segments.drop(2)
    assert [*groups_in(tmp_path)] == [b"c"]
    segments.close()
    assert _names(tmp_path) == ["log-0000000003"]  # of an empty one nothing is left
    remove_segments(tmp_path)
    assert _names(tmp_path) == []


def test_wherever_a_crash_cuts_the_last_segment_off_whole_groups_come_back(tmp_path: Path) -> None:
    path = _written(tmp_path)
    data = path.read_bytes()
    kept = []
    for end in range(len(data) + 1):
        path.write_bytes(data[:end])
        kept.append(len([*groups_in(tmp_path)]))
        assert [*groups_in(tmp_path)] == GROUPS[: kept[-1]]
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (0, len(GROUPS))


def test_space_that_was_never_written_is_no_group(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0" * 5000)
    assert [*groups_in(tmp_path)] == GROUPS


@pytest.mark.parametrize("is_synced", [True, False])
def test_any_changed_bit_is_reported_in_the_last_group_too(tmp_path: Path, is_synced: bool) -> None:
    path = _written(tmp_path, is_synced)
    data = path.read_bytes()
    for at in range(8, len(data)):
        path.write_bytes(data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :])
        with pytest.raises(StoreDamagedError, match=r"log-0000000001 is damaged at byte \d+"):
            list(groups_in(tmp_path))


def test_a_sector_of_the_last_group_that_was_never_written_is_the_end(tmp_path: Path) -> None:
    segments = WriteAheadLog(tmp_path, is_synced=True)
    segments.append([b"first"])
    segments.append([b"x" * 3000])
    segments.close()
    path = tmp_path / "log-0000000001"
    data = path.read_bytes()
    path.write_bytes(data[:1024] + b"\0" * 512 + data[1536:])
    assert [*groups_in(tmp_path)] == [b"first"]


def test_a_segment_cut_off_before_what_was_acknowledged_is_reported(tmp_path: Path) -> None:
    noted: list[tuple[int, int]] = []
    segments = WriteAheadLog(tmp_path, is_synced=True, note=lambda number, end: noted.append((number, end)))
    for group in GROUPS:
        segments.append([group])
    segments.close()
    path = tmp_path / "log-0000000001"
    data = path.read_bytes()
    assert noted[-1] == (1, len(data))
    for end in range(len(data)):
        path.write_bytes(data[:end])
        with pytest.raises(StoreDamagedError):
            list(groups_in(tmp_path, noted[-1]))
    path.write_bytes(data + b"\1\2")  # a group that was begun
    assert [*groups_in(tmp_path, noted[-1])] == GROUPS


def test_a_segment_that_is_gone_is_reported(tmp_path: Path) -> None:
    segments = WriteAheadLog(tmp_path, is_synced=True, after=4)
    for group in (b"a", b"b", b"c"):
        segments.append([group])
        segments.rotate()
    segments.close()
    check_segments(tmp_path, 4, 7)
    check_segments(tmp_path, 4, 0)  # nothing is known
    for number in (5, 6, 7):
        path = tmp_path / f"log-{number:010}"
        data = path.read_bytes()
        path.unlink()
        with pytest.raises(StoreDamagedError, match=f"log-{number:010} is missing"):
            check_segments(tmp_path, 4, 7)
        path.write_bytes(data)


def test_a_torn_group_with_a_segment_behind_it_is_reported(tmp_path: Path) -> None:
    path = _written(tmp_path)
    segments = WriteAheadLog(tmp_path, is_synced=True)
    segments.append([b"behind"])
    segments.close()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreCorruptError, match=r"log-0000000001 is damaged at byte \d+"):
        list(groups_in(tmp_path))


def test_a_segment_that_was_not_synced_ends_where_it_is_torn(tmp_path: Path) -> None:
    path = _written(tmp_path, is_synced=False)
    data = bytearray(path.read_bytes())
    second = 8 + 16 + 3
    data[second:512] = b"\0" * (512 - second)  # a sector that never reached the disk
    path.write_bytes(data)
    assert [*groups_in(tmp_path)] == GROUPS[:1]


def test_a_foreign_file_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "log-0000000001"
    path.write_bytes(b"letters and more")
    with pytest.raises(StoreError, match="a write-ahead log that this LimeDB reads"):
        list(groups_in(tmp_path))
    assert path.read_bytes() == b"letters and more"


@pytest.mark.root
def test_what_finds_no_room_leaves_nothing_and_room_lets_it_continue(small_disk: SmallDisk) -> None:
    folder = small_disk.path / "log"
    folder.mkdir()
    segments = WriteAheadLog(folder, is_synced=True)
    count = 0
    with suppress(NoRoomError):
        while count < 2000:
            segments.append([b"x" * 1000])
            count += 1
    assert 0 < count < 2000
    assert [*groups_in(folder)] == [b"x" * 1000] * count
    small_disk.resize("2m")
    segments.append([b"more"])
    segments.close()
    assert [*groups_in(folder)] == [*[b"x" * 1000] * count, b"more"]
