"""The names of the nodes whose data a folder holds: a renamed node must not silently start empty beside its
data.

It owns the reading of names from file names. It must never open a store.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from limedb.errors import StoreError
from limedb.storage.files import node_path

_IDENTITY = {"lmdb": ".lmdb", "filesystem": ".node.json"}
"""The ending of a path that each node that once belonged to a cluster has, by its store."""

_BESIDE = (".hints", ".operations", ".scrub", ".changes", ".refused", ".lost-hints", ".time")
"""The endings of the files that a node keeps beside its data."""


class _Data(NamedTuple):
    """The data of a node in the folder."""

    kind: str
    url: str
    lock: Path


def check_names(kind: str, data_dir: Path, node_url: str) -> None:
    """Refuse a folder that holds data of other names and none of this one, if none of those nodes runs: then
    the node was renamed, or its port changed, and it would found an empty cluster. If one of them runs,
    several nodes share the folder. kind: as STORE. StoreError.
    """
    if kind not in _IDENTITY or has_data(kind, data_dir, node_url):
        return
    others = list(_others(data_dir))
    if others and not any(_is_in_use(data.lock) for data in others):
        named = ", ".join(_shown(data, kind) for data in sorted(others))
        raise StoreError(
            f"DATA_DIR={data_dir} holds the data of {named}, and none of {node_url}: start the node under the"
            " name that it has always had (if it moved, keep NODE_URL and set ADVERTISE_ADDRESS to its new"
            " address); for a new node choose another DATA_DIR"
        )


def has_data(kind: str, data_dir: Path, node_url: str) -> bool:
    """Whether a folder holds data of this node. kind: as STORE, lmdb or filesystem."""
    if kind == "lmdb":
        return (node_path(data_dir, node_url, ".lmdb") / "data.mdb").exists() or (
            node_path(data_dir, node_url, ".lmdb") / "node.json"
        ).exists()
    return any(node_path(data_dir, node_url, ending).exists() for ending in (".json", ".node.json"))


def gone_data(kind: str, data_dir: Path, node_url: str) -> str:
    """The remains of a node's data that is gone, in words; empty: there are none. kind: as STORE.

    Call it before anything of the node is opened.
    """
    if kind not in _IDENTITY or has_data(kind, data_dir, node_url):
        return ""
    left = [path.name for ending in _BESIDE if (path := node_path(data_dir, node_url, ending)).exists()]
    if not left:
        return ""
    return (
        f"this node started without data, although it had some before: {', '.join(left)} in {data_dir} are"
        " left of it. It gets its data back if the others have it; a cluster founded since is new and"
        " empty: docs/damage.md says what you can do"
    )


def _others(data_dir: Path) -> Iterator[_Data]:
    """The data in the folder of each node that belonged to a cluster."""
    for kind, ending in _IDENTITY.items():
        for path in data_dir.glob(f"*{ending}"):
            url = path.name.removesuffix(ending).replace("%2F", "/")
            if kind == "filesystem":
                yield _Data(kind, url, node_path(data_dir, url, ".json.lock"))
            elif (path / "node.json").exists():
                yield _Data(kind, url, path / "limedb.lock")


def _shown(data: _Data, kind: str) -> str:
    return data.url if data.kind == kind else f"{data.url} (STORE={data.kind})"


def _is_in_use(lock: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
