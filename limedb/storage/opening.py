"""Opens a node's store, hints and other files, by its settings.

It owns the names of the stores (setting STORE). It must never use a store.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from limedb.errors import StoreCorruptError
from limedb.ports import HintLog, OperationLog, Store
from limedb.storage.change_tail import TailFile
from limedb.storage.files import node_path, set_folder_aside, store_error
from limedb.storage.filesystem.store import FilesystemStore
from limedb.storage.lmdb.hints import LmdbHintLog
from limedb.storage.lmdb.operations import LmdbOperationLog
from limedb.storage.lmdb.store import LmdbStore
from limedb.storage.memory.hints import MemoryHints
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from limedb.storage.owed_mark import OwedMarkFile
from limedb.storage.scrub_mark import ScrubMarkFile
from limedb.storage.time_mark import TimeMarkFile

log = logging.getLogger(__name__)

_LOST_HINTS = ".lost-hints"


def open_store(
    kind: str, data_dir: Path, node_url: str, durability: str, on_fatal: Callable[[Exception], None]
) -> Store:
    """Open the store of a node. Call it inside the running event loop; it isn't async, and takes
    milliseconds (filesystem: as long as the file takes to read).

    kind, durability: as STORE and DURABILITY. on_fatal: called once, on the event loop, if the disk failed
    and the node must stop. StoreError: it can't be opened. StoreCorruptError: its bytes aren't a store's.
    """
    if kind == "memory":
        return MemoryStore()
    if kind == "filesystem":
        return FilesystemStore(node_path(data_dir, node_url, ".json"))
    if kind == "lmdb":
        folder = node_path(data_dir, node_url, ".lmdb")
        with _explained(folder):
            return LmdbStore(folder, durability, on_fatal)
    raise ValueError(f"no store is called {kind!r}: lmdb, memory, filesystem")


def open_hint_log(kind: str, data_dir: Path, node_url: str, has_run: bool = False) -> HintLog:
    """Open a node's hints for other nodes: on disk if its data is. Call it inside the running event loop.

    kind: as STORE. has_run: whether the node ran before, so that there must be some. StoreError: it can't be
    opened. Damaged hints are set aside; repair does their work.
    """
    if kind == "memory":
        return MemoryHints()
    folder = node_path(data_dir, node_url, ".hints")
    with _explained(folder):
        lost = node_path(data_dir, node_url, _LOST_HINTS)
        if has_run:
            _miss(folder, "the hints that this node kept are lost, and repair delivers their records", lost)
        try:
            return LmdbHintLog(folder)
        except StoreCorruptError as error:
            lost.touch(0o600)
            moved = set_folder_aside(folder, "damaged")
            log.error("%s; it is set aside in %s: repair delivers the records of these hints", error, moved)
        return LmdbHintLog(folder)


def open_scrub_mark(kind: str, data_dir: Path, node_url: str) -> ScrubMarkFile | None:
    """The file beside a node's data with the progress of scrubbing; None: its store has nothing to scrub."""
    return None if kind == "memory" else ScrubMarkFile(node_path(data_dir, node_url, ".scrub"))


def open_time_mark(kind: str, data_dir: Path, node_url: str) -> TimeMarkFile | None:
    """The file beside a node's data with the last time that it had; None: the store keeps nothing."""
    return None if kind == "memory" else TimeMarkFile(node_path(data_dir, node_url, ".time"))


def open_refused_mark(kind: str, data_dir: Path, node_url: str) -> OwedMarkFile | None:
    """The file beside a node's data that says that writes were refused; None: the store keeps nothing."""
    return None if kind == "memory" else OwedMarkFile(node_path(data_dir, node_url, ".refused"))


def open_lost_hints_mark(kind: str, data_dir: Path, node_url: str) -> OwedMarkFile | None:
    """The file beside a node's data that says that hints were lost; None: the store keeps nothing."""
    return None if kind == "memory" else OwedMarkFile(node_path(data_dir, node_url, _LOST_HINTS))


def open_operation_log(
    kind: str,
    data_dir: Path,
    node_url: str,
    durability: str,
    on_fatal: Callable[[Exception], None],
    has_run: bool = False,
) -> OperationLog:
    """Open the log of operations that a node remembers: on disk if its data is. Call it inside the running
    event loop.

    kind, durability: as STORE and DURABILITY. on_fatal: as for `open_store`. has_run: as for `open_hint_log`.
    StoreError: it can't be opened.
    A damaged log is set aside, and the node counts as having forgotten all earlier operations.
    """
    if kind == "memory":
        return MemoryOperations()
    folder = node_path(data_dir, node_url, ".operations")
    with _explained(folder):
        if has_run:
            _miss(
                folder, "this node no longer knows the versions of earlier writes if clients send them again"
            )
        try:
            return LmdbOperationLog(folder, durability, on_fatal=on_fatal)
        except StoreCorruptError as error:
            moved = set_folder_aside(folder, "damaged")
            log.error(
                "%s; it is set aside in %s: this node no longer knows the versions of earlier writes if"
                " clients send them again", error, moved,
            )  # fmt: skip
        return LmdbOperationLog(folder, durability, on_fatal=on_fatal)


def _miss(folder: Path, consequence: str, mark: Path | None = None) -> None:
    """Report that a folder of a node that ran before is gone, or has no more data, and set its remains aside,
    so that status names it. mark: a file to make first in that case.
    """
    data = folder / "data.mdb"
    if data.exists() and data.stat().st_size:
        return
    if mark is not None:
        mark.touch(0o600)
    if not folder.exists():
        log.error("%s is gone: it was moved or deleted while the node was stopped; %s", folder, consequence)
        return
    what = "is empty" if data.exists() else "is gone"
    moved = set_folder_aside(folder, "damaged")
    log.error("%s %s, so it was damaged; its folder is set aside in %s: %s", data, what, moved, consequence)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """StoreError: the disk or the access rights prevent the opening."""
    try:
        yield
    except OSError as error:
        raise store_error(f"{error.filename or path} can't be opened or read", error) from error


def side_files(kind: str, data_dir: Path, node_url: str) -> dict[str, Path]:
    """The files that a node keeps open beside its data: its hints and its log of operations."""
    if kind == "memory":
        return {}
    return {name: node_path(data_dir, node_url, f".{name}") / "data.mdb" for name in ("hints", "operations")}


def open_change_tail(kind: str, data_dir: Path, node_url: str) -> TailFile:
    """The log of changes that a node's last run left. kind: as STORE."""
    return TailFile(None if kind == "memory" else node_path(data_dir, node_url, ".changes"))
