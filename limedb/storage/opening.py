"""Which store a node has, and where its data and its hints stand.

It owns the names of the stores (setting STORE). It must never use one.
"""

from collections.abc import Callable
from pathlib import Path

from limedb.ports import HintLog, OperationLog, Store
from limedb.replication.memory_hints import MemoryHints
from limedb.replication.memory_operations import MemoryOperations
from limedb.storage.files import node_path
from limedb.storage.filesystem_store import FilesystemStore
from limedb.storage.hint_log import LmdbHintLog
from limedb.storage.lmdb_store import LmdbStore
from limedb.storage.memory_store import MemoryStore
from limedb.storage.operation_log import LmdbOperationLog
from limedb.storage.scrub_mark import ScrubMarkFile


def open_store(
    kind: str, data_dir: Path, node_url: str, durability: str, on_fatal: Callable[[Exception], None]
) -> Store:
    """Open the store of a node. Call it inside the running event loop; it isn't async, and takes
    milliseconds (filesystem: as long as the file takes to read).

    kind, durability: as STORE and DURABILITY. on_fatal: called once, on the event loop, when the disk
    failed so that the node must stop. StoreError: it can't be opened. StoreCorruptError: foreign bytes.
    """
    if kind == "memory":
        return MemoryStore()
    if kind == "filesystem":
        return FilesystemStore(node_path(data_dir, node_url, ".json"))
    if kind == "lmdb":
        return LmdbStore(node_path(data_dir, node_url, ".lmdb"), durability, on_fatal)
    raise ValueError(f"no store is called {kind!r}: lmdb, memory, filesystem")


def open_hint_log(kind: str, data_dir: Path, node_url: str) -> HintLog:
    """Open a node's hints for others: on disk where its data is. Call it inside the running event loop.

    kind: as STORE. StoreError, StoreCorruptError: it can't be opened.
    """
    if kind == "memory":
        return MemoryHints()
    return LmdbHintLog(node_path(data_dir, node_url, ".hints"))


def open_scrub_mark(kind: str, data_dir: Path, node_url: str) -> ScrubMarkFile | None:
    """Where a node keeps how far scrubbing is: beside its data; None: its store has nothing to scrub."""
    return None if kind == "memory" else ScrubMarkFile(node_path(data_dir, node_url, ".scrub"))


def open_operation_log(kind: str, data_dir: Path, node_url: str, durability: str) -> OperationLog:
    """Open what a node remembers of operations: on disk where its data is. Call it inside the running event
    loop.

    kind, durability: as STORE and DURABILITY. StoreError, StoreCorruptError: it can't be opened.
    """
    if kind == "memory":
        return MemoryOperations()
    return LmdbOperationLog(node_path(data_dir, node_url, ".operations"), durability)
