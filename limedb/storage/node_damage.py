"""The fate of a node whose data is damaged, missing or outdated.

It owns the decision to set the data aside: allowed only if, by the node's last knowledge of its cluster,
other nodes have everything that was acknowledged here. It must never delete anything, nor set the only copy
aside and start empty.

This is safe. With a replication factor of two or more, every write that was acknowledged at QUORUM is on
another replica too, and the node comes back with another node_id. So it doesn't vote as the old node, whose
promises may be lost, and reads don't ask it until it has fetched its ranges from a majority of their old
owners, to which it doesn't belong. For that the other nodes must be able to decide without it, so they must
be a majority of the voters. And it may join only its own cluster: if all nodes lost their data at once, none
would found an empty cluster that looks healthy. The same holds for a node that its cluster has removed.
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

_NEXT = ".lmdb.next"
"""The ending of the folder that replaces a damaged one."""
_WHY = "damaged"


async def prepare_node_file(
    kind: str, data_dir: Path, node_url: str, node_file: NodeFile, node_id: str
) -> None:
    """Make sure that the node file exists before the data, so that data without one is known to have lost it.
    node_id: of the node, if it is new.

    StoreDamagedError: the file is damaged or gone, or the node is a member by its file, and its data is gone.
    """
    if kind == "lmdb":
        _finish_replacement(data_dir, node_url)
    saved = node_file.load()
    data = _data_path(kind, data_dir, node_url)
    if data is None:
        return
    if saved is None and kind == "lmdb" and read_state(data.parent) is not None:
        raise StoreDamagedError(f"{data.parent / 'node.json'} and its copy are gone, although there is data")
    # An older LimeDB made the JSON file with the first write, so a member may have none.
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
    """Set the data of a node aside, and start as a new node with that id that may only join the same cluster.

    Returns the new path of the data. StoreDamagedError: other nodes may lack some of it; nothing was changed.
    """
    node_file = open_node_file(kind, data_dir, node_url)
    saved = _saved(node_file)
    reason = why_not(saved)
    if saved is None or reason:
        raise StoreDamagedError(
            f"{damage}; this node doesn't start, and nothing was changed: {reason}. See docs/damage.md for"
            f" ways to use the data in {data_dir}"
        )
    return await _replace(kind, data_dir, node_url, node_file, successor(saved, node_id), _WHY)


async def replace_removed(kind: str, data_dir: Path, node_url: str, node_id: str) -> Path | None:
    """Set aside the data of a node that its cluster has removed, and start as replace_damaged does.

    It founds no cluster either: while its peers' addresses lead elsewhere, it would take itself for alone.
    Returns the new path of the data; None: STORE=memory, which has none.
    """
    node_file = open_node_file(kind, data_dir, node_url)
    saved = _saved(node_file)
    if saved is None:
        return set_aside(kind, data_dir, node_url)
    return await _replace(kind, data_dir, node_url, node_file, successor(saved, node_id), "removed")


async def _replace(
    kind: str, data_dir: Path, node_url: str, node_file: NodeFile, following: Saved, why: str
) -> Path:
    if kind == "filesystem":
        return await _replace_file(data_dir, node_url, node_file, following, why)
    folder = node_path(data_dir, node_url, _NEXT)
    make_private_folder(folder)
    await JsonNodeFile(folder / "node.json").save(following)
    moved = set_aside(kind, data_dir, node_url, why)
    _finish_replacement(data_dir, node_url)
    return moved or folder


async def _replace_file(
    data_dir: Path, node_url: str, node_file: NodeFile, following: Saved, why: str
) -> Path:
    """As _replace, for STORE=filesystem: rename the JSON file, then replace the node file. A crash in
    between leaves a member without data, which the next start notices.
    """
    path = node_path(data_dir, node_url, ".json")
    moved = set_folder_aside(path, why) if path.exists() else path
    await node_file.save(following)
    return moved


def damaged_before(data_dir: Path, node_url: str) -> list[Path]:
    """The data of a node that was set aside because of damage, and still exists."""
    endings = (".lmdb", ".json", ".hints", ".operations")
    names = [node_path(data_dir, node_url, ending).name for ending in endings]
    return sorted(path for name in names for path in data_dir.glob(f"{_escaped(name)}.{_WHY}-*"))


def _escaped(name: str) -> str:
    return name.replace("[", "[[]")


def _finish_replacement(data_dir: Path, node_url: str) -> None:
    """Move the prepared folder to the place of one that was set aside, unless that is done; a crash may have
    interrupted it.
    """
    folder, following = (node_path(data_dir, node_url, ending) for ending in (".lmdb", _NEXT))
    if following.exists() and not folder.exists():
        try:
            following.rename(folder)
            sync(folder.parent)
        except OSError as error:
            raise store_error(f"{following} can't take the place of {folder.name}", error) from error


def _data_path(kind: str, data_dir: Path, node_url: str) -> Path | None:
    """The file of a node's records; None: they are in memory."""
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
    """The initial node file of the node that replaces a damaged or removed one. node_id: a new one."""
    return Saved(node_id, rejoins=saved.topology.cluster_id or saved.rejoins)


def why_not(saved: Saved | None) -> str:
    """Why the data must stay, by the node's last knowledge; empty: other nodes have it."""
    if saved is None:
        return (
            "without node.json it isn't known whether other nodes have the data; if they do, and most of"
            " them serve, move the node's .lmdb folder away and start it: it rejoins"
        )
    topology = saved.topology
    if topology.is_fresh:
        return "" if saved.rejoins else "the node belongs to no cluster, so no other node has its data"
    if saved.has_left:
        return "the node was decommissioned"
    others = [voter for voter in topology.voters if voter.node_id != saved.node_id]
    if topology.replication_factor < 2:
        return "REPLICATION_FACTOR is 1, so no other node has its keys"
    if len(others) < majority(len(topology.voters)):
        names = ", ".join(voter.url for voter in others) or "none"
        return f"the other members ({names}) are too few to let it rejoin: that needs a majority of all"
    return ""


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
