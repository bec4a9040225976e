"""The stores under test: how each is opened, and how its snapshot is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from limedb.core.record import Record
from limedb.ports import Store
from limedb.storage.filesystem.store import FilesystemStore
from limedb.storage.lmdb.store import LmdbStore
from limedb.storage.memory.store import MemoryStore, read_snapshot

NOW = 1_700_000_000_000


@dataclass(frozen=True)
class Kind:
    name: str
    open: Callable[[Path], Store]
    restore: Callable[[Path], Store]


def fail(error: Exception) -> None:
    raise AssertionError(f"the store called on_fatal: {error}")


def open_lmdb(folder: Path) -> LmdbStore:
    return LmdbStore(folder, "always", fail, map_size=1 << 30)


LMDB = Kind("lmdb", lambda path: open_lmdb(path / "n.lmdb"), open_lmdb)
MEMORY = Kind("memory", lambda _: MemoryStore(), lambda path: MemoryStore(read_snapshot(path)))
FILESYSTEM = Kind(
    "filesystem", lambda path: FilesystemStore(path / "n.json"), lambda path: FilesystemStore(path / "n.json")
)


def text(key: str, value: str = "x", version: int = 1, expires_at: int = 0) -> Record:
    return Record(key, value, version, expires_at)


def tombstone(key: str, version: int = 1) -> Record:
    return Record(key, None, version)
