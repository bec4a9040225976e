"""A node whose name changed doesn't start empty beside its data."""

from pathlib import Path

import pytest

from limedb.errors import StoreError
from limedb.storage.data_names import check_names
from limedb.storage.files import node_path
from limedb.storage.opening import open_store
from tests.storage.kinds import fail

OLD, NEW = "http://old:8484", "http://new:8484"
NODE_FILES = {"lmdb": (".lmdb", "node.json"), "filesystem": (".node.json", "")}


def belong(kind: str, folder: Path, node_url: str) -> None:
    """Leave what a node of a cluster leaves beside its store."""
    suffix, name = NODE_FILES[kind]
    path = node_path(folder, node_url, suffix)
    (path / name if name else path).write_text("{}")


@pytest.mark.parametrize("kind", ["lmdb", "filesystem"])
async def test_a_renamed_node_is_refused_until_its_name_is_back(kind: str, tmp_path: Path) -> None:
    await open_store(kind, tmp_path, OLD, "always", fail).close()
    belong(kind, tmp_path, OLD)
    with pytest.raises(StoreError, match=f"holds the data of {OLD}, and none of {NEW}"):
        check_names(kind, tmp_path, NEW)
    check_names(kind, tmp_path, OLD)


async def test_data_of_another_kind_of_store_is_named_with_it(tmp_path: Path) -> None:
    await open_store("filesystem", tmp_path, OLD, "always", fail).close()
    belong("filesystem", tmp_path, OLD)
    with pytest.raises(StoreError, match=rf"{OLD} \(STORE=filesystem\)"):
        check_names("lmdb", tmp_path, NEW)


@pytest.mark.parametrize("kind", ["lmdb", "filesystem"])
async def test_nodes_that_run_share_a_folder_with_a_new_one(kind: str, tmp_path: Path) -> None:
    store = open_store(kind, tmp_path, OLD, "always", fail)
    belong(kind, tmp_path, OLD)
    check_names(kind, tmp_path, NEW)
    await store.close()


def test_an_empty_folder_and_a_store_without_files_take_any_name(tmp_path: Path) -> None:
    for kind in ("lmdb", "filesystem", "memory"):
        check_names(kind, tmp_path, NEW)
