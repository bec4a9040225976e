import os
from pathlib import Path

import pytest

from limedb.core.record import Record
from limedb.errors import StoreError
from limedb.storage.files import node_path
from limedb.storage.opening import open_hint_log, open_store
from tests.storage.kinds import NOW, fail, text


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("lmdb", ["http:%2F%2Fnode1:8484.lmdb"]),
        ("filesystem", ["http:%2F%2Fnode1:8484.json", "http:%2F%2Fnode1:8484.json.lock"]),
        ("memory", []),
    ],
)
async def test_a_store_stands_under_the_node_s_name(kind: str, names: list[str], tmp_path: Path) -> None:
    store = open_store(kind, tmp_path / "new", "http://node1:8484", "always", fail)
    await store.apply([text("a")], NOW)
    assert store.stats().kind == kind
    assert sorted(path.name for path in (tmp_path / "new").glob("*")) == names
    await store.close()


@pytest.mark.parametrize("kind", ["lmdb", "filesystem"])
async def test_a_folder_that_cannot_be_made_is_named(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file.* can't be made; check DATA_DIR"):
        open_store(kind, tmp_path / "file" / "data", "http://node1:8484", "always", fail)


@pytest.mark.parametrize("name", ["data.mdb", "state", "limedb.lock", "log-0000000007"])
async def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    """A folder in its place can't be read, either."""
    store = open_store("lmdb", tmp_path, "http://node1:8484", "always", fail)
    await store.close()
    path = node_path(tmp_path, "http://node1:8484", ".lmdb") / name
    path.unlink(missing_ok=True)
    path.mkdir()
    with pytest.raises(StoreError, match=f"{name} can't be .*: Is a directory") as caught:
        open_store("lmdb", tmp_path, "http://node1:8484", "always", fail)
    assert type(caught.value) is StoreError  # no damage: nothing is set aside for it


async def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'etcd': lmdb, memory, filesystem"):
        open_store("etcd", tmp_path, "http://node1:8484", "always", fail)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("lmdb", ["http:%2F%2Fnode1:8484.hints"]),
        ("filesystem", ["http:%2F%2Fnode1:8484.hints"]),
        ("memory", []),
    ],
)
async def test_hints_stand_beside_the_data(kind: str, names: list[str], tmp_path: Path) -> None:
    hints = open_hint_log(kind, tmp_path, "http://node1:8484")
    assert hints.add("http://node2:8484", [Record("a", "x", 1)], 1)
    assert os.listdir(tmp_path) == names
    await hints.close()
