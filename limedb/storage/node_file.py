"""What a node must not forget beside its data (`ports.NodeFile`): a JSON file, or memory.

It owns the form of that file and how it gets to disk. It must never judge what it keeps.
"""

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from limedb.core.bounds import flaw
from limedb.core.layout import Span
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.topology import Member, Phase, Standing, Topology
from limedb.errors import StoreCorruptError
from limedb.ports import NodeFile, Saved
from limedb.storage.files import make_folder, node_path, replace_durably, store_error, sync

FORMAT = 1
_DATA = {"lmdb": (".lmdb",), "filesystem": (".json", ".node.json")}  # what a node's data is called


class MemoryNodeFile:
    """Forgets everything with the process, as the memory store does."""

    def __init__(self) -> None:
        self._saved: Saved | None = None

    def load(self) -> Saved | None:
        """As NodeFile.load."""
        return self._saved

    async def save(self, saved: Saved) -> None:
        """As NodeFile.save."""
        self._saved = saved


class JsonNodeFile:
    """A JSON file, replaced as a whole. Of several saves that wait only the newest is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        self._door = threading.Lock()
        self._newest: Saved | None = None
        self._asked = self._written = self._on_disk = 0

    def load(self) -> Saved | None:
        """As NodeFile.load."""
        try:
            return parse(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise store_error(f"{self._path} can't be read", error) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreCorruptError(
                f"{self._path} isn't what a LimeDB wrote: {error!r}; nothing was overwritten: restore it, or"
                " move it and the node's data away, so that the node joins anew and gets its data from others"
            ) from error

    async def save(self, saved: Saved) -> None:
        """As NodeFile.save. StoreFullError: no room; the file is as it was."""
        self._newest = saved
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if self._written >= mine:
                return
            number = self._asked
            await asyncio.to_thread(self._replace, number, serialize(self._newest))
            self._written = number

    def _replace(self, number: int, data: bytes) -> None:
        """Write, unless something newer is there: a cancelled save may still run in its thread."""
        with self._door:
            if number <= self._on_disk:
                return
            make_folder(self._path.parent)
            try:
                replace_durably(self._path, data)
            except OSError as error:
                raise store_error(f"{self._path} can't be written", error) from error
            self._on_disk = number


def open_node_file(kind: str, data_dir: Path, node_url: str) -> NodeFile:
    """Where a node with that store (setting STORE) keeps what it must not forget; it reads nothing yet."""
    if kind == "memory":
        return MemoryNodeFile()
    if kind == "lmdb":
        return JsonNodeFile(node_path(data_dir, node_url, ".lmdb") / "node.json")
    return JsonNodeFile(node_path(data_dir, node_url, ".node.json"))


def set_aside(kind: str, data_dir: Path, node_url: str) -> Path | None:
    """Rename the data of a node, its node file with it, to <name>.removed-<UTC time>; nothing is deleted.

    The store must be closed. Returns where the data is now, None where there was none. StoreError.
    """
    moved: Path | None = None
    suffix = f".removed-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    for ending in _DATA.get(kind, ()):
        path = node_path(data_dir, node_url, ending)
        if path.exists():
            target = path.with_name(path.name + suffix)
            _rename(path, target)
            moved = moved or target
    return moved


def _rename(path: Path, target: Path) -> None:
    try:
        path.rename(target)
        sync(path.parent)
    except OSError as error:
        raise store_error(f"{path} can't be set aside as {target.name}", error) from error


# --- the form


def serialize(saved: Saved) -> bytes:
    """The bytes of the file."""
    fields = asdict(saved)  # named tuples stay what they are, which JSON writes as lists
    return json.dumps({"format": FORMAT, **fields}, indent=1).encode()


def parse(data: bytes) -> Saved:
    """What was saved. ValueError, TypeError, KeyError, AttributeError: it isn't such a file."""
    fields = json.loads(data)
    if fields["format"] != FORMAT:
        raise ValueError(f"its format is {fields['format']}, this LimeDB reads {FORMAT}")
    return Saved(
        node_id=_text(fields["node_id"]),
        topology=_topology(fields["topology"]),
        acceptor=_acceptor(fields["acceptor"]),
        fetched_epoch=int(fields["fetched_epoch"]),
        fetched=tuple(Span(int(first), int(last)) for first, last in fields["fetched"]),
        cleaned_epoch=int(fields["cleaned_epoch"]),
        has_left=fields["has_left"] is True,
        recent=tuple(_topology(each) for each in fields.get("recent", ())),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _acceptor(fields: Mapping[str, Any]) -> Acceptor[Topology]:
    value = fields["value"]
    return Acceptor(
        Ballot(*fields["promised"]), Ballot(*fields["accepted"]), None if value is None else _topology(value)
    )


def _topology(fields: Mapping[str, Any]) -> Topology:
    topology = Topology(
        _text(fields["cluster_id"]),
        int(fields["epoch"]),
        int(fields["replication_factor"]),
        tuple(_member(member) for member in fields["members"]),
        Phase(fields["phase"]),
        fields["gives_way"] is True,
    )
    if wrong := flaw(topology):
        raise ValueError(f"its topology is damaged: {wrong}; `limedb repair-topology` mends that")
    return topology


def _member(fields: Mapping[str, Any]) -> Member:
    return Member(
        _text(fields["node_id"]),
        _text(fields["url"]),
        _text(fields["zone"]),
        int(fields["virtual_nodes"]),
        Standing(fields["standing"]),
    )
