"""What becomes of a node whose data is damaged, missing, or not what it was.

It owns when the data may be set aside: only where others have all that was acknowledged here, by what the
node last knew of its cluster. It must never delete anything, nor start anew with the only copy set aside.

Why that is safe. With a replication factor of two or more, what was acknowledged at QUORUM is on another
replica too, and the node comes back with another node_id: it has no vote as the old one, whose promises may
be lost, and it isn't read until it has fetched its ranges from a majority of their old owners, of whom it is
none. For that the others must be able to decide without it, so they must be a majority of the voters. And it
may join its own cluster only: were all nodes to lose their data at once, none would found an empty cluster
that looks healthy.
"""

import logging
from pathlib import Path

from limedb.core.quorum import majority
from limedb.errors import StoreDamagedError, StoreError
from limedb.ports import NodeFile, Saved
from limedb.storage.files import make_private_folder, node_path, set_folder_aside, store_error, sync
from limedb.storage.folder_state import read_state
from limedb.storage.node_file import JsonNodeFile, open_node_file, set_aside

log = logging.getLogger(__name__)

_NEXT = ".lmdb.next"  # the folder that takes the place of a damaged one
_WHY = "damaged"


async def prepare_node_file(
    kind: str, data_dir: Path, node_url: str, node_file: NodeFile, node_id: str
) -> None:
    """Have the node file there before the data, so that data without one is known to have lost it. node_id:
    of the node, if it is new.

    StoreDamagedError: the file is damaged or gone, or the data is of which it says that the node is a member.
    """
    if kind == "lmdb":
        _finish_replacement(data_dir, node_url)
    saved = node_file.load()
    data = _data_path(kind, data_dir, node_url)
    if data is None:
        return
    if saved is None and kind == "lmdb" and read_state(data.parent) is not None:
        raise StoreDamagedError(f"{data.parent / 'node.json'} and its copy are gone, although data is there")
    # An older LimeDB made the JSON file with the first write, so that a member may have none.
    may_lack = kind == "filesystem" and isinstance(node_file, JsonNodeFile) and node_file.is_old
    if saved is not None and not saved.topology.is_fresh and not may_lack and not _has_bytes(data):
        raise StoreDamagedError(
            f"{data} is missing or empty, although this node is a member of cluster"
            f" {saved.topology.cluster_id}"
        )
    if saved is None:
        await node_file.save(Saved(node_id))


async def replace_damaged(
    kind: str, data_dir: Path, node_url: str, damage: StoreDamagedError, node_id: str
) -> Path:
    """Set the data of a node aside, and begin anew as a node of that id that may only join the same cluster.

    Returns where the data is now. StoreDamagedError: others may not have what is in it; nothing was changed.
    """
    node_file = open_node_file(kind, data_dir, node_url)
    saved = _saved(node_file)
    reason = why_not(saved)
    if saved is None or reason:
        raise StoreDamagedError(
            f"{damage}; this node doesn't start, and nothing was changed: {reason}. See docs/damage.md for"
            f" what can be done with the data in {data_dir}"
        )
    following = successor(saved, node_id)
    if kind == "filesystem":
        return await _replace_file(data_dir, node_url, node_file, following)
    folder = node_path(data_dir, node_url, _NEXT)
    make_private_folder(folder)
    await JsonNodeFile(folder / "node.json").save(following)
    moved = set_aside(kind, data_dir, node_url, _WHY)
    _finish_replacement(data_dir, node_url)
    return moved or folder


async def _replace_file(data_dir: Path, node_url: str, node_file: NodeFile, following: Saved) -> Path:
    """As replace_damaged, for STORE=filesystem: the JSON file is renamed, then the node file replaced. A
    crash in between leaves a member without data, which is found at the next start.
    """
    path = node_path(data_dir, node_url, ".json")
    moved = set_folder_aside(path, _WHY) if path.exists() else path
    await node_file.save(following)
    return moved


def damaged_before(data_dir: Path, node_url: str) -> list[Path]:
    """What a node had on disk that was set aside since it was damaged, and is still there."""
    endings = (".lmdb", ".json", ".hints", ".operations")
    names = [node_path(data_dir, node_url, ending).name for ending in endings]
    return sorted(path for name in names for path in data_dir.glob(f"{_escaped(name)}.{_WHY}-*"))


def _escaped(name: str) -> str:
    return name.replace("[", "[[]")


def _finish_replacement(data_dir: Path, node_url: str) -> None:
    """Put the folder that was made for it in the place of one that was set aside; a crash may have come."""
    folder, following = (node_path(data_dir, node_url, ending) for ending in (".lmdb", _NEXT))
    if following.exists() and not folder.exists():
        try:
            following.rename(folder)
            sync(folder.parent)
        except OSError as error:
            raise store_error(f"{following} can't take the place of {folder.name}", error) from error


def _data_path(kind: str, data_dir: Path, node_url: str) -> Path | None:
    """The file that has a node's records; None: they are in memory."""
    if kind == "lmdb":
        return node_path(data_dir, node_url, ".lmdb") / "data.mdb"
    return node_path(data_dir, node_url, ".json") if kind == "filesystem" else None


def _saved(node_file: NodeFile) -> Saved | None:
    try:
        return node_file.load()
    except StoreError as error:
        log.error("%s", error)
        return None


def successor(saved: Saved, node_id: str) -> Saved:
    """What the node that takes the place of a damaged one begins with. node_id: its own, a new one."""
    return Saved(node_id, rejoins=saved.topology.cluster_id or saved.rejoins)


def why_not(saved: Saved | None) -> str:
    """Why the data must stay, by what the node last knew; empty: others have it."""
    if saved is None:
        return (
            "node.json isn't there or is damaged too, so that it isn't known whether others have its data; if"
            " they do, and most of them serve, move the node's data folder away and start it: it joins anew"
        )
    topology = saved.topology
    if topology.is_fresh:
        return "" if saved.rejoins else "the node belongs to no cluster, so that nobody else has its data"
    if saved.has_left:
        return "the node was decommissioned"
    others = [voter for voter in topology.voters if voter.node_id != saved.node_id]
    if topology.replication_factor < 2:
        return "REPLICATION_FACTOR is 1, so that nobody else has its keys"
    if len(others) < majority(len(topology.voters)):
        names = ", ".join(voter.url for voter in others) or "none"
        return f"the other members ({names}) are too few to let it join anew: that needs a majority of all"
    return ""


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
