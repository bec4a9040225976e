"""When a node's data may be set aside since it is damaged, and what stands in its place."""

from dataclasses import replace
from pathlib import Path

import pytest

from limedb.core.topology import Member, Topology, initial_topology, join
from limedb.errors import StoreDamagedError
from limedb.ports import Saved
from limedb.storage.files import node_path, set_folder_aside
from limedb.storage.filesystem.store import FilesystemStore
from limedb.storage.folder_state import StateFile, new_state
from limedb.storage.node_damage import damaged_before, prepare_node_file, replace_damaged, replace_removed
from limedb.storage.node_file import JsonNodeFile, open_node_file

URL = "http://n0:1"
DAMAGE = StoreDamagedError("data.mdb is damaged: page 7: it is zeros")


def cluster(size: int, replicas: int = 3) -> Topology:
    return initial_topology(
        "00000000000000ab", replicas, [Member(f"id-{i}", f"http://n{i}:1") for i in range(size)]
    )


async def written(tmp_path: Path, saved: Saved | None) -> Path:
    folder = node_path(tmp_path, URL, ".lmdb")
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"what is left")
    if saved is not None:
        await JsonNodeFile(folder / "node.json").save(saved)
    return folder


def names(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize(
    "saved",
    [
        Saved("id-0", cluster(3)),
        Saved("id-0", cluster(3, replicas=2)),
        Saved("id-0", cluster(9, replicas=5)),
        Saved("new", join(cluster(2), Member("new", URL))),  # it joins: the two that are there decide
        Saved("removed", cluster(3)),
        Saved("again", rejoins="00000000000000ab"),
    ],
)
async def test_data_that_others_have_is_set_aside_and_the_node_may_join_its_cluster_only(
    tmp_path: Path, saved: Saved
) -> None:
    folder = await written(tmp_path, saved)
    moved = await replace_damaged("lmdb", tmp_path, URL, DAMAGE, "fresh")
    assert moved.name.startswith(f"{folder.name}.damaged-2")
    assert (moved / "data.mdb").read_bytes() == b"what is left"
    assert open_node_file("lmdb", tmp_path, URL).load() == Saved("fresh", rejoins="00000000000000ab")
    assert sorted(path.name for path in folder.iterdir()) == ["node.json", "node.json.copy"]
    assert damaged_before(tmp_path, URL) == [moved]


@pytest.mark.parametrize(
    ("saved", "reason"),
    [
        (None, "it isn't known whether other nodes have the data"),
        (Saved("id-0"), "belongs to no cluster"),
        (Saved("id-0", cluster(1)), r"the other members \(none\) are too few"),
        (Saved("id-0", cluster(2)), r"the other members \(http://n1:1\) are too few"),
        (Saved("id-0", cluster(5, replicas=1)), "REPLICATION_FACTOR is 1"),
        (Saved("id-0", cluster(3), has_left=True), "was decommissioned"),
    ],
)
async def test_what_may_be_the_only_copy_stays_where_it_is(
    tmp_path: Path, saved: Saved | None, reason: str
) -> None:
    await written(tmp_path, saved)
    before = names(tmp_path)
    with pytest.raises(StoreDamagedError, match=rf"page 7.*nothing was changed: .*{reason}.*docs/damage\.md"):
        await replace_damaged("lmdb", tmp_path, URL, DAMAGE, "fresh")
    assert names(tmp_path) == before


async def test_of_a_filesystem_store_the_file_is_set_aside_and_the_node_file_replaced(tmp_path: Path) -> None:
    data, node_file = tmp_path / "http:%2F%2Fn0:1.json", open_node_file("filesystem", tmp_path, URL)
    for number in range(3):
        await node_file.save(Saved("id-0", cluster(3), cleaned_epoch=number))
    data.write_text("{")
    moved = await replace_damaged("filesystem", tmp_path, URL, DAMAGE, "fresh")
    assert moved.read_text() == "{"
    assert open_node_file("filesystem", tmp_path, URL).load() == Saved("fresh", rejoins="00000000000000ab")
    assert damaged_before(tmp_path, URL) == [moved]


@pytest.mark.parametrize("kind", ["lmdb", "filesystem"])
async def test_a_node_that_was_removed_may_join_its_cluster_only(tmp_path: Path, kind: str) -> None:
    if kind == "lmdb":
        data = await written(tmp_path, Saved("id-0", cluster(3)))
    else:
        data = tmp_path / "http:%2F%2Fn0:1.json"
        data.write_text("{}")
        await open_node_file(kind, tmp_path, URL).save(Saved("id-0", cluster(3)))
    moved = await replace_removed(kind, tmp_path, URL, "fresh")
    assert moved is not None
    assert moved.name.startswith(f"{data.name}.removed-2")
    assert open_node_file(kind, tmp_path, URL).load() == Saved("fresh", rejoins="00000000000000ab")
    assert damaged_before(tmp_path, URL) == []


async def test_a_node_in_memory_that_was_removed_has_nothing_to_set_aside(tmp_path: Path) -> None:
    assert await replace_removed("memory", tmp_path, URL, "fresh") is None


def test_hints_and_operations_that_were_set_aside_are_named_too(tmp_path: Path) -> None:
    folders = [node_path(tmp_path, URL, ending) for ending in (".hints", ".operations", ".changes")]
    for folder in folders:
        folder.mkdir()
    aside = [set_folder_aside(folder, "damaged") for folder in folders]
    assert damaged_before(tmp_path, URL) == aside[:2]


async def test_a_member_whose_json_file_is_gone_has_lost_its_disk(tmp_path: Path) -> None:
    node_file = open_node_file("filesystem", tmp_path, URL)
    await prepare_node_file("filesystem", tmp_path, URL, node_file, "id-0")
    await FilesystemStore(tmp_path / "http:%2F%2Fn0:1.json").close()
    await node_file.save(Saved("id-0", cluster(3)))
    await prepare_node_file("filesystem", tmp_path, URL, node_file, "id-0")
    (tmp_path / "http:%2F%2Fn0:1.json").unlink()
    with pytest.raises(StoreDamagedError, match="is missing or empty"):
        await prepare_node_file("filesystem", tmp_path, URL, node_file, "id-0")


async def prepared(tmp_path: Path) -> Saved | None:
    file = open_node_file("lmdb", tmp_path, URL)
    await prepare_node_file("lmdb", tmp_path, URL, file, "fresh")
    return file.load()


async def test_a_crash_between_the_two_renames_is_finished_at_the_next_start(tmp_path: Path) -> None:
    folder = await written(tmp_path, Saved("id-0", cluster(3)))
    await replace_damaged("lmdb", tmp_path, URL, DAMAGE, "fresh")
    folder.rename(node_path(tmp_path, URL, ".lmdb.next"))
    assert await prepared(tmp_path) == Saved("fresh", rejoins="00000000000000ab")


async def test_a_member_without_its_data_file_has_lost_its_disk(tmp_path: Path) -> None:
    folder = await written(tmp_path, Saved("id-0", cluster(3)))
    assert await prepared(tmp_path) == Saved("id-0", cluster(3))
    (folder / "data.mdb").write_bytes(b"")
    with pytest.raises(StoreDamagedError, match="is missing or empty, although this node is a member"):
        await prepared(tmp_path)
    (folder / "data.mdb").unlink()
    with pytest.raises(StoreDamagedError, match="is missing or empty"):
        await prepared(tmp_path)


async def test_data_without_its_node_file_is_damage_and_a_snapshot_alone_is_not(tmp_path: Path) -> None:
    folder = await written(tmp_path, None)
    assert await prepared(tmp_path) == Saved("fresh")
    StateFile(folder, new_state()).close(1, is_clean=True)
    (folder / "node.json").unlink()
    assert await prepared(tmp_path) == Saved("fresh")  # by its copy
    (folder / "node.json").unlink(missing_ok=True)
    (folder / "node.json.copy").unlink()
    with pytest.raises(StoreDamagedError, match="and its copy are gone, although there is data"):
        await prepared(tmp_path)


async def test_a_member_of_an_older_limedb_continues(tmp_path: Path) -> None:
    saved = Saved("id-0", replace(cluster(3), epoch=9))
    await written(tmp_path, saved)
    assert await prepared(tmp_path) == saved
