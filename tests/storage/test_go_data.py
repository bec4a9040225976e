"""What a node finds of a Go LimeDB at its first start. GO_TEXT has the form that a real one wrote; the other
names and forms are those of its older and newer sources.
"""

import json
import os
from pathlib import Path

import pytest

from limedb.core.hlc import version_at
from limedb.core.record import Record
from limedb.errors import StoreError
from limedb.storage.files import node_path
from limedb.storage.go_data import GoFile, find_go_file
from limedb.storage.opening import open_store
from tests.storage.kinds import fail

URL = "http://node1:8484"
NOW = 1_800_000_000_000
WRITTEN_S = 1_700_000_000
VERSION = version_at(WRITTEN_S * 1000)
GO_TEXT = '{\n  "a": "1",\n  "\\u003cx\\u003e": "v\\u0026w",\n  "e/f": ""\n}\n'


def go_file(data_dir: Path, text: str = GO_TEXT, name: str = "http:/node1:8484.json") -> Path:
    path = data_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (WRITTEN_S, WRITTEN_S))
    return path


def find(data_dir: Path, kind: str = "lmdb", url: str = URL, largest: int = 4 << 20) -> GoFile | None:
    return find_go_file(kind, data_dir, url, NOW, largest)


def records(data_dir: Path) -> list[Record]:
    found = find(data_dir)
    assert found is not None
    return list(found.records)


@pytest.mark.parametrize("name", ["http:/node1:8484.json", "http:/NODE1:8484.json", "node1.json"])
@pytest.mark.parametrize("kind", ["lmdb", "filesystem"])
def test_the_file_is_found_under_each_of_its_names(name: str, kind: str, tmp_path: Path) -> None:
    path = go_file(tmp_path, name=name)
    before = path.read_bytes()
    found = find(tmp_path, kind)
    assert found is not None
    assert [(r.key, r.value, r.version) for r in found.records] == [
        ("a", "1", VERSION),
        ("<x>", "v&w", VERSION),
        ("e/f", "", VERSION),
    ]
    assert path.read_bytes() == before


def test_entries_with_a_time_keep_it_and_deletes_stay_deletes(tmp_path: Path) -> None:
    micros = (WRITTEN_S - 9) * 1_000_000 + 2_345
    entries = {
        "kept": {"value": "v", "timestamp_micros": micros, "tombstone": False},
        "deleted": {"value": "", "timestamp_micros": micros + 1, "tombstone": True},
        "of the future": {"value": "v", "timestamp_micros": 2 * micros, "tombstone": False},
    }
    go_file(tmp_path, json.dumps(entries))
    kept, deleted, future = records(tmp_path)
    assert kept == Record("kept", "v", version_at((WRITTEN_S - 9) * 1000 + 2, 345))
    assert (deleted.is_tombstone, deleted.version - kept.version) == (True, 1)
    assert future.version == VERSION


def test_a_clock_that_was_set_back_gives_no_version_of_the_future(tmp_path: Path) -> None:
    os.utime(go_file(tmp_path), (NOW, NOW))  # NOW in seconds is far ahead
    assert {record.version for record in records(tmp_path)} == {version_at(NOW)}


def test_keys_that_no_node_stores_are_named_and_the_others_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go_file(tmp_path, json.dumps({"": "v", "k" * 5000: "v", "odd": [1], "half \ud800": "v", "good": "v"}))
    found = find(tmp_path)
    assert found is not None
    assert [record.key for record in found.records] == ["good"]
    assert len(found.flaws) == 4
    for text in ("a key of 0 bytes", "a key of 5000 bytes", "neither a text", "surrogates"):
        assert text in caplog.text


def test_values_over_the_limit_stop_the_start_with_the_setting_that_takes_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go_file(tmp_path, json.dumps({"good": "v", "large": "v" * (4 << 20), "larger": "ü" * (5 << 19)}))
    with pytest.raises(StoreError, match=r"of 1 has 5242880 bytes, of key 'larger'.* MAX_VALUE_SIZE=5MiB"):
        find(tmp_path)
    assert not list(tmp_path.glob("*.go-import"))
    found = find(tmp_path, largest=5 << 20)
    assert found is not None
    assert len(found.records) == 3
    go_file(tmp_path, json.dumps({"good": "v", "too large for any node": "v" * (17 << 20)}))
    (rest,) = records(tmp_path)
    assert rest.key == "good"
    assert "a value of 17825792 bytes" in caplog.text


@pytest.mark.parametrize("text", ["", "{", '{"a":"1"', "[]", '"a"', '{"a":"1"} x', "[" * 100_000, "\x00"])
def test_a_damaged_file_is_refused_and_left_as_it_is(text: str, tmp_path: Path) -> None:
    path = go_file(tmp_path, text)
    with pytest.raises(
        StoreError, match=r"8484\.json isn't a whole file .* restore it from a copy"
    ) as caught:
        find(tmp_path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == text
    assert not list(tmp_path.glob("*.go-import"))  # so that the mended file is taken


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "node1:8484.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"8484\.json, the file of a Go LimeDB, can't be read: No such file"):
        find(tmp_path)


def test_data_in_the_lsm_format_is_refused_with_the_way_out(tmp_path: Path) -> None:
    go_file(tmp_path)  # from before its upgrade
    go_file(tmp_path, "LIMEWAL2", "http:/node1:8484_lsm/wal.log")
    with pytest.raises(StoreError, match=r"LSM format, .* `limedb import http://GO-NODE:PORT`, or move"):
        find(tmp_path)


async def test_a_file_is_taken_over_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = go_file(tmp_path)
    assert find(tmp_path) is not None
    found = find(tmp_path)  # a start that didn't come to its end begins it again
    assert found is not None
    await found.done()
    assert not found.records
    assert find(tmp_path) is None
    assert f"{path} was taken over before" in caplog.text
    assert path.exists()


async def test_a_start_that_was_cut_short_is_continued_beside_the_new_data(tmp_path: Path) -> None:
    path = go_file(tmp_path)
    assert find(tmp_path) is not None
    store = open_store("lmdb", tmp_path, URL, "always", fail)
    await store.close()
    assert find(tmp_path) is not None
    path.unlink()
    with pytest.raises(StoreError, match=r"\.go-import says .* it is gone: put it back, or remove"):
        find(tmp_path)


@pytest.mark.parametrize("kind", ["lmdb", "filesystem"])
async def test_a_node_with_data_of_its_own_takes_nothing_over_and_says_so(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(kind, tmp_path, URL, "always", fail)
    await store.close()
    path = go_file(tmp_path)
    assert find(tmp_path, kind) is None
    assert f"{path} is not read, since this node has data of its own" in caplog.text
    assert f"`limedb import '{path}'`" in caplog.text
    assert not node_path(tmp_path, URL, ".go-import").exists()


def test_files_of_other_nodes_are_mentioned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = go_file(tmp_path, name="http:/node7:8484.json")
    assert find(tmp_path) is None
    assert str(path) in caplog.text


def test_a_damaged_note_is_refused(tmp_path: Path) -> None:
    go_file(tmp_path)
    node_path(tmp_path, URL, ".go-import").write_text("{")
    with pytest.raises(StoreError, match=r"\.go-import is damaged: remove it"):
        find(tmp_path)


@pytest.mark.parametrize("kind", ["lmdb", "filesystem", "memory"])
def test_a_folder_without_anything_stays_as_it_is(kind: str, tmp_path: Path) -> None:
    assert find(tmp_path / "new", kind) is None
    assert find(tmp_path, kind) is None
    assert not list(tmp_path.iterdir())
