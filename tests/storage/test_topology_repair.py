"""Node files that were poisoned or whose cluster is gone, and the topology that is made of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from limedb.core.bounds import flaw
from limedb.core.topology import Member, Topology, initial_topology
from limedb.errors import InvalidRequestError, StoreCorruptError, StoreError
from limedb.ports import Saved
from limedb.storage.files import FileLock
from limedb.storage.node_file import JsonNodeFile, node_path, serialize
from limedb.storage.topology_repair import FoundTopology, plan, read, write

URLS = [f"http://node{i}:8484" for i in (1, 2, 3)]
MEMBERS = [Member(f"id-{i}", url, f"rack{i}", 16 * (i + 1)) for i, url in enumerate(URLS)]
STEADY = initial_topology("0123456789abcdef", 2, MEMBERS)


def folders(tmp_path: Path, **poison: Any) -> list[Path]:
    """The data folders of three stopped nodes. poison: fields of their topologies."""
    paths = []
    for member in MEMBERS:
        path = node_path(tmp_path, member.url, ".lmdb")
        path.mkdir()
        saved = json.loads(serialize(Saved(member.node_id, STEADY)))
        saved["topology"] |= poison
        (path / "node.json").write_text(json.dumps(saved))
        paths.append(path)
    return paths


def load(path: Path) -> Saved:
    saved = JsonNodeFile(path / "node.json").load()
    assert saved is not None
    return saved


POISON: list[dict[str, Any]] = [
    {"epoch": 2**64 - 1},
    {
        "members": [
            {
                "node_id": "evil",
                "url": "http://evil:1",
                "zone": "",
                "virtual_nodes": 10**6,
                "standing": "normal",
            }
        ]
    },
    {"members": "nonsense"},
    {"phase": "nonsense"},
    {"epoch": -5},
]


@pytest.mark.parametrize("poison", POISON, ids=str)
async def test_a_poisoned_file_is_refused_in_words_that_name_the_command(
    tmp_path: Path, poison: dict[str, Any]
) -> None:
    path = folders(tmp_path, **poison)[0]
    with pytest.raises(StoreCorruptError, match=r"node\.json isn't a file that LimeDB wrote"):
        JsonNodeFile(path / "node.json").load()


@pytest.mark.parametrize("poison", [{}, *POISON], ids=str)
def test_the_nodes_become_one_cluster_again(tmp_path: Path, poison: dict[str, Any]) -> None:
    paths = folders(tmp_path, **poison)
    nodes = [read(path) for path in paths]
    assert all(bool(node.wrong) is bool(poison) for node in nodes)
    topology = plan(nodes, None, 256)
    write(nodes, topology)
    assert flaw(topology) == ""
    assert topology.cluster_id != STEADY.cluster_id
    assert (topology.epoch, topology.replication_factor) == (1, 2)
    assert [(m.node_id, m.url) for m in topology.members] == [(m.node_id, m.url) for m in MEMBERS]
    for path, member in zip(paths, MEMBERS, strict=True):
        assert load(path) == Saved(member.node_id, topology)
        assert (path / "node.json.before-repair").exists()
    if not poison or "epoch" in poison:
        assert topology.members == tuple(MEMBERS)


def test_the_same_folders_give_the_same_topology_in_any_order(tmp_path: Path) -> None:
    nodes = [read(path) for path in folders(tmp_path)]
    assert plan(nodes, None, 256) == plan(nodes[::-1], None, 256)
    assert plan(nodes[:2], None, 256).cluster_id != plan(nodes, None, 256).cluster_id


def test_a_node_that_is_left_out_is_no_member_and_a_lost_file_is_made_again(tmp_path: Path) -> None:
    first, second, _ = folders(tmp_path)
    (second / "node.json").unlink()
    topology = plan([read(first), read(second)], None, 256)
    assert {member.url for member in topology.members} == set(URLS[:2])
    known = {member.url: member for member in topology.members}
    assert known[URLS[1]].virtual_nodes == MEMBERS[1].virtual_nodes, "another node's file says it"
    write([read(first), read(second)], topology)
    assert load(second).topology == topology


def test_a_node_whose_data_was_set_aside_is_no_member_but_may_join(tmp_path: Path) -> None:
    paths = folders(tmp_path)
    paths[1].joinpath("node.json").write_bytes(serialize(Saved("anew", rejoins=STEADY.cluster_id)))
    nodes = [read(path) for path in paths]
    assert [node.joins_as for node in nodes] == ["", "anew", ""]
    topology = plan(nodes, None, 256)
    assert [m.url for m in topology.members] == [URLS[0], URLS[2]]
    write(nodes, topology)
    assert load(paths[1]) == Saved("anew", rejoins=topology.cluster_id)
    assert load(paths[2]).topology == topology
    with pytest.raises(InvalidRequestError, match="none of these nodes has its data"):
        plan([nodes[1]], 2, 256)


def test_a_missing_replication_factor_is_asked_for(tmp_path: Path) -> None:
    nodes = [read(path) for path in folders(tmp_path, replication_factor=0)]
    with pytest.raises(InvalidRequestError, match="by --replication-factor"):
        plan(nodes, None, 256)
    assert plan(nodes, 3, 256).replication_factor == 3
    with pytest.raises(InvalidRequestError, match="twice"):
        plan([nodes[0], nodes[0]], 3, 256)
    with pytest.raises(InvalidRequestError, match="isn't a node's data"):
        read(tmp_path)


def test_a_node_that_runs_is_left_alone(tmp_path: Path) -> None:
    paths = folders(tmp_path)
    nodes: list[FoundTopology] = [read(path) for path in paths]
    lock = FileLock(paths[1] / "limedb.lock", paths[1])
    try:
        with pytest.raises(StoreError, match="in use by process"):
            write(nodes, plan(nodes, None, 256))
    finally:
        lock.release()
    assert load(paths[0]).topology == STEADY


def test_files_of_the_filesystem_store_are_mended_too(tmp_path: Path) -> None:
    path = node_path(tmp_path, URLS[0], ".node.json")
    path.write_bytes(serialize(Saved("id-0", STEADY)))
    node = read(path)
    write([node], plan([node], None, 256))
    saved = JsonNodeFile(path).load()
    assert saved is not None
    assert [m.url for m in saved.topology.members] == URLS[:1]
    assert Topology() != saved.topology


def test_each_repair_keeps_the_files_that_it_found(tmp_path: Path) -> None:
    paths = folders(tmp_path, epoch=2**64 - 1)
    found = [(path / "node.json").read_bytes() for path in paths]
    for _ in range(3):
        nodes = [read(path) for path in paths]
        write(nodes, plan(nodes, None, 256))
    for path, content in zip(paths, found, strict=True):
        kept = sorted(path.glob("node.json.before-repair*"))
        assert len(kept) == 3
        assert kept[0].read_bytes() == content
        assert {file.stat().st_mode & 0o777 for file in kept} == {0o600}


def test_a_file_that_cant_be_kept_ends_the_repair_before_anything_is_written(tmp_path: Path) -> None:
    paths = folders(tmp_path, epoch=2**64 - 1)
    found = [(path / "node.json").read_bytes() for path in paths]
    (paths[2] / "node.json.before-repair.tmp").mkdir()
    nodes = [read(path) for path in paths]
    with pytest.raises(StoreError, match=r"node\.json\.before-repair can't be written"):
        write(nodes, plan(nodes, None, 256))
    assert [(path / "node.json").read_bytes() for path in paths] == found
