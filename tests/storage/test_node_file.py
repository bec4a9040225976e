"""The state that a node must not forget, on disk."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from limedb.core.layout import Span
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.topology import Member, Topology, initial_topology, join
from limedb.errors import StoreCorruptError, StoreDamagedError, StoreError, StoreFullError
from limedb.ports import NodeFile, Saved
from limedb.storage.node_file import JsonNodeFile, MemoryNodeFile, open_node_file, parse, set_aside
from tests.storage.disks import SmallDisk
from tests.support.waiting import wait_for

URL = "http://node1:8484"
STEADY = initial_topology(
    "00000000000000ab", 3, [Member("id-a", URL, "z1"), Member("id-b", "http://b:1", "", 0)]
)
JOINING = join(STEADY, Member("id-c", "http://c:1"))
INFINITE = b'{"format": 1, "node_id": "a", "topology": {"cluster_id": "a", "epoch": Infinity}}'
FULL = Saved(
    "id-a",
    STEADY,
    Acceptor(Ballot(3, "id-b"), Ballot(2, "id-a"), JOINING),
    2,
    (Span(0, 5), Span(7, 2**64 - 1)),
    1,
    True,
)


@pytest.mark.parametrize(
    "saved", [FULL, Saved("id-a"), Saved("id-a", JOINING), replace(FULL, topology=Topology())]
)
async def test_what_is_saved_is_loaded(tmp_path: Path, saved: Saved) -> None:
    path = tmp_path / "deep" / "node.json"
    assert JsonNodeFile(path).load() is None
    await JsonNodeFile(path).save(saved)
    assert JsonNodeFile(path).load() == saved


async def test_of_several_saves_the_newest_stays_and_all_are_durable_when_they_return(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    file = JsonNodeFile(path)

    async def save(epoch: int) -> int:
        await file.save(Saved("id", cleaned_epoch=epoch))
        return json.loads(path.read_bytes())["cleaned_epoch"] >= epoch

    assert all(await asyncio.gather(*map(save, range(1, 50))))
    assert file.load() == Saved("id", cleaned_epoch=49)


async def test_a_cancelled_save_never_overwrites_a_later_one(tmp_path: Path) -> None:
    file = JsonNodeFile(tmp_path / "node.json")
    for epoch in range(1, 60, 2):
        task = asyncio.create_task(file.save(Saved("id", cleaned_epoch=epoch)))
        await asyncio.sleep(0)
        task.cancel()
        await file.save(Saved("id", cleaned_epoch=epoch + 1))
        assert file.load() == Saved("id", cleaned_epoch=epoch + 1)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"format": 99}', b'{"format": 1}', b"\xff", INFINITE, b"[" * 9000],
)
def test_a_file_that_is_not_ours_is_refused_with_a_remedy_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.json"
    path.write_bytes(content)
    with pytest.raises(StoreCorruptError, match=r"node\.json.*nothing was overwritten: restore it, or"):
        JsonNodeFile(path).load()
    assert path.read_bytes() == content


async def test_any_flipped_bit_is_healed_from_the_copy_and_in_both_is_reported(tmp_path: Path) -> None:
    path, copy = tmp_path / "node.json", tmp_path / "node.json.copy"
    await JsonNodeFile(path).save(FULL)
    data = path.read_bytes()
    assert copy.read_bytes() == data
    for at in range(0, len(data), 3):
        flipped = data[:at] + bytes((data[at] ^ 1 << at % 7,)) + data[at + 1 :]
        path.write_bytes(flipped)
        assert JsonNodeFile(path).load() == FULL
        copy.write_bytes(flipped)
        with suppress(StoreDamagedError):
            assert JsonNodeFile(path).load() == FULL  # space between two fields, say
        copy.write_bytes(data)


async def test_a_copy_that_stands_in_is_said_once_and_asks_for_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "node.json"
    await JsonNodeFile(path).save(FULL)
    path.write_bytes(b"{")
    file = JsonNodeFile(path)
    assert file.load() == file.load() == FULL
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"{path} isn't a file that LimeDB wrote: it isn't JSON (")
    assert said.endswith("; its copy is whole and is used instead, and the file is written again")


async def test_a_file_that_is_gone_or_an_older_one_is_taken_from_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    file = JsonNodeFile(path)
    await file.save(Saved("id", cleaned_epoch=1))
    old = path.read_bytes()
    await file.save(Saved("id", cleaned_epoch=2))
    path.write_bytes(old)
    assert JsonNodeFile(path).load() == Saved("id", cleaned_epoch=2)
    path.unlink()
    again = JsonNodeFile(path)
    assert again.load() == Saved("id", cleaned_epoch=2)
    await again.save(Saved("id", cleaned_epoch=3))
    (tmp_path / "node.json.copy").unlink()
    assert JsonNodeFile(path).load() == Saved("id", cleaned_epoch=3)


@pytest.mark.parametrize("name", ["node.json", "node.json.copy"])
@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"{")])
async def test_a_file_that_was_not_whole_at_the_start_is_written_again_at_once(
    tmp_path: Path, name: str, harm: Callable[[Path], object]
) -> None:
    """Not only at the next change, which may be months away: until then one more fault would be too many."""
    await JsonNodeFile(tmp_path / "node.json").save(Saved("id", cleaned_epoch=1))
    await JsonNodeFile(tmp_path / "node.json").save(Saved("id", cleaned_epoch=2))
    harm(tmp_path / name)
    file = JsonNodeFile(tmp_path / "node.json")
    assert file.load() == Saved("id", cleaned_epoch=2)
    keeping = asyncio.create_task(file.keep())
    try:
        await asyncio.to_thread(wait_for, "both to be whole", lambda: whole(tmp_path))
    finally:
        keeping.cancel()


def whole(folder: Path) -> bool:
    """Whether both files have the state."""
    with suppress(OSError, ValueError):
        return all(
            parse((folder / name).read_bytes()) == Saved("id", cleaned_epoch=2)
            for name in ("node.json", "node.json.copy")
        )
    return False


async def test_fields_keep_the_names_that_they_have_had_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    await JsonNodeFile(path).save(replace(FULL, topology=replace(STEADY, writes_suspended=True)))
    fields = json.loads(path.read_bytes())
    named = "checksum sequence format node_id topology acceptor fetched_epoch fetched cleaned_epoch has_left"
    assert set(fields) == {*named.split(), "recent", "rejoins", "founded_ms"}
    assert fields["acceptor"].keys() == {"promised", "accepted", "value"}
    topology = fields["topology"]
    assert topology.keys() == {
        "cluster_id", "epoch", "replication_factor", "members", "phase", "gives_way",
    }  # fmt: skip
    assert topology["gives_way"] is True
    assert topology["members"][0].keys() == {"node_id", "url", "zone", "virtual_nodes", "standing"}


async def test_a_file_that_an_older_limedb_wrote_is_taken_whatever_the_copy_says(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    await JsonNodeFile(path).save(Saved("id", cleaned_epoch=1))
    fields = json.loads(path.read_bytes())
    del fields["checksum"], fields["sequence"], fields["rejoins"], fields["founded_ms"]
    path.write_text(json.dumps({**fields, "cleaned_epoch": 7}))
    assert JsonNodeFile(path).load() == Saved("id", cleaned_epoch=7)


@pytest.mark.root
async def test_a_full_disk_is_reported_and_the_old_file_stays(small_disk: SmallDisk) -> None:
    file = JsonNodeFile(small_disk.path / "node.json")
    await file.save(FULL)
    spans = tuple(Span(i * 2, i * 2) for i in range(200_000))
    with pytest.raises(StoreFullError, match="disk is full"):
        await file.save(replace(FULL, fetched=spans))
    assert file.load() == FULL


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))


async def test_each_store_has_its_place(tmp_path: Path) -> None:
    for kind in ("lmdb", "filesystem", "memory"):
        await open_node_file(kind, tmp_path, URL).save(FULL)
    assert names_in(tmp_path) == ["http:%2F%2Fnode1:8484.lmdb/node.json", "http:%2F%2Fnode1:8484.node.json"]


async def test_memory_forgets_with_the_process() -> None:
    file: NodeFile = MemoryNodeFile()
    assert file.load() is None
    await file.save(FULL)
    assert file.load() == FULL
    assert MemoryNodeFile().load() is None


@pytest.mark.parametrize(
    ("kind", "names"),
    [("lmdb", ["x.lmdb/data.mdb", "x.lmdb/node.json"]), ("filesystem", ["x.json", "x.node.json"])],
)
def test_data_set_aside_is_kept_whole_under_another_name(tmp_path: Path, kind: str, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    moved = set_aside(kind, tmp_path, "x")

    assert moved is not None
    assert ".removed-" in moved.name
    assert not any((tmp_path / name).exists() for name in names)
    assert sorted(path.read_text() for path in tmp_path.rglob("*") if path.is_file()) == names
    assert set_aside(kind, tmp_path, "x") is None


async def test_the_file_of_another_member_is_refused_and_a_copy_of_ones_own_stands_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = STEADY.members[1]
    foreign, path = replace(FULL, node_id=other.node_id, topology=STEADY), tmp_path / "node.json"
    mine = JsonNodeFile(path, STEADY.members[0].url)
    await mine.save(replace(FULL, node_id=STEADY.members[0].node_id, topology=STEADY))
    await JsonNodeFile(tmp_path / "theirs.json").save(foreign)
    path.write_bytes((tmp_path / "theirs.json").read_bytes())
    loaded = JsonNodeFile(path, STEADY.members[0].url).load()
    assert loaded is not None
    assert loaded.node_id == STEADY.members[0].node_id
    assert f"{path} belongs to {other.url}" in caplog.text
    (tmp_path / "node.json.copy").write_bytes(path.read_bytes())
    before = contents(tmp_path)
    with pytest.raises(StoreError, match=rf"belongs to {other.url} .*nothing was changed") as refused:
        JsonNodeFile(path, STEADY.members[0].url).load()
    assert not isinstance(refused.value, StoreDamagedError)  # that would be set aside
    assert contents(tmp_path) == before
    assert JsonNodeFile(path).load() == foreign


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.iterdir()}
