"""The state that a node must not forget, besides its data (`ports.NodeFile`): in a JSON file, or in memory.

It owns the form of that file and its way to disk. It must never judge the content.

The file has a checksum, a number that each save raises, and a copy, which is written first. So the copy is
never older than any state that the node has answered for, and replaces the file if that is damaged, missing
or outdated. That is safe for the Paxos promises in it, too: the copy has every promise that was answered. A
file without a checksum comes from an older LimeDB, which makes no copy: it is accepted as it is.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import xxhash
from typing_extensions import override

from limedb.core.bounds import flaw
from limedb.core.layout import Span
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.topology import Member, MemberState, Phase, Topology
from limedb.errors import StoreDamagedError, StoreError
from limedb.ports import NodeFile, Saved
from limedb.storage.files import make_folder, node_path, replace_durably, set_folder_aside, store_error

log = logging.getLogger(__name__)

FORMAT = 1
LOOK_SECONDS = 1.0
_CHECKSUM = "checksum"
_ON_DISK = {"writes_suspended": "gives_way"}
_DATA = {
    "lmdb": (".lmdb",),
    "filesystem": (".json", ".node.json", ".node.json.copy"),
}  # the endings of a node's data


class MemoryNodeFile(NodeFile):
    """Forgets everything with the process, as the memory store does."""

    def __init__(self) -> None:
        self._saved: Saved | None = None

    @override
    def load(self) -> Saved | None:
        return self._saved

    @override
    async def save(self, saved: Saved) -> None:
        self._saved = saved


class JsonNodeFile(NodeFile):
    """A JSON file, replaced as a whole. Of several waiting saves only the newest is written.

    url: the owner of the file: another member's isn't accepted; None: any is accepted.
    """

    def __init__(self, path: Path, url: str | None = None) -> None:
        self._path, self._url = path, url
        self._copy = path.with_name(path.name + ".copy")
        self._sequence = 0
        self.is_old = False  # whether an older LimeDB wrote the loaded file
        self._turn = asyncio.Lock()
        self._door = threading.Lock()
        self._newest: Saved | None = None
        self._is_noted = False  # whether the use of the copy was logged
        self._is_uneven = False  # whether one of the loaded files was damaged, gone or outdated
        self._content: dict[Path, bytes] = {}  # of both files, as this process found or wrote them
        self._asked = self._written = self._on_disk = 0

    @override
    def load(self) -> Saved | None:
        """As NodeFile.load. StoreDamagedError: both the file and its copy are damaged. StoreError: they are
        those of another node.
        """
        found = [self._read(path) for path in (self._path, self._copy)]
        written = [each for each in found if isinstance(each, _Written)]
        broken = [each for each in found if isinstance(each, StoreError)]
        if not written:
            if foreign := [each for each in broken if not isinstance(each, StoreDamagedError)]:
                raise foreign[0]
            if broken:
                raise StoreDamagedError(f"{broken[0]}; {_ADVICE}")
            return None
        main = found[0]
        is_older = isinstance(main, _Written) and main.sequence is None
        newest = written[0] if is_older else max(written, key=lambda each: each.sequence or 0)
        if newest is not main and not self._is_noted:
            reason = main if isinstance(main, StoreError) else f"{self._path} is gone or outdated"
            log.warning("%s; its copy is whole and is used instead, and the file is written again", reason)
            self._is_noted = True
        self._is_uneven = not is_older and any(each != newest for each in found)
        self._sequence, self.is_old = newest.sequence or 0, newest.sequence is None
        self._newest = newest.saved
        return newest.saved

    async def keep(self) -> None:
        """Until cancelled, write both files again if they weren't both whole at the start, and whenever
        someone took one away, or wrote to it: otherwise the next start would lack state that only this
        process knows, or the copy that protects it.
        """
        if self._is_uneven and self._newest is not None:
            await self.save(self._newest)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._newest is not None and (what := await asyncio.to_thread(self._lost)):
                log.error("%s while this node ran; the node writes it again", what)
                await self.save(self._newest)

    def _lost(self) -> str:
        """The damage that someone else did to the file or its copy, but not to their folder; empty: none."""
        with self._door:  # no write of our own is under way
            changes = [(path, self._change_of(path)) for path in (self._path, self._copy)]
        return " and ".join(f"{path} {change}" for path, change in changes if change)

    def _change_of(self, path: Path) -> str:
        try:
            found = path.read_bytes()
        except OSError:
            is_expected = path == self._path or path in self._content
            is_gone = is_expected and path.parent.is_dir() and not path.exists()
            return "was taken away" if is_gone else ""
        return "" if found == self._content.setdefault(path, found) else "was overwritten"

    def _read(self, path: Path) -> "_Written | StoreError | None":
        try:
            written = _checked(path.read_bytes())
            return self._foreign(path, written.saved) or written
        except FileNotFoundError:
            return None
        except OSError as error:
            raise store_error(f"{path} can't be read", error) from error
        except _UNREADABLE as error:
            return StoreDamagedError(f"{path} isn't a file that LimeDB wrote: {_flaw(error)}")

    def _foreign(self, path: Path, saved: Saved) -> StoreError | None:
        """The error for the file of another member: with it the node would have that member's identity, and
        count as a replica of data that it doesn't have.
        """
        member = saved.topology.member(saved.node_id)
        if self._url is None or member is None or member.url == self._url:
            return None
        return StoreError(
            f"{path} belongs to {member.url} (cluster {saved.topology.cluster_id}), not to {self._url}:"
            f" nothing was changed. Put the data of {member.url} back in its own place, and this node's here;"
            " if this node's data is lost, start it without: it rejoins and gets its data from the others"
        )

    @override
    async def save(self, saved: Saved) -> None:
        """As NodeFile.save. StoreFullError: no room; the file is unchanged."""
        self._newest = saved
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if self._written >= mine:
                return
            number = self._asked
            self._sequence += 1
            await asyncio.to_thread(self._replace, number, serialize(self._newest, self._sequence))
            self._written = number

    def _replace(self, number: int, data: bytes) -> None:
        """Write, unless something newer was written: a cancelled save may still run in its thread."""
        with self._door:
            if number <= self._on_disk:
                return
            make_folder(self._path.parent)
            try:
                replace_durably(self._copy, data)
                replace_durably(self._path, data)
            except OSError as error:
                raise store_error(f"{self._path} can't be written", error) from error
            self._on_disk, self._content = number, dict.fromkeys((self._copy, self._path), data)


def open_node_file(kind: str, data_dir: Path, node_url: str) -> NodeFile:
    """The node file of a node with that store (setting STORE); nothing is read yet."""
    if kind == "memory":
        return MemoryNodeFile()
    if kind == "lmdb":
        return JsonNodeFile(node_path(data_dir, node_url, ".lmdb") / "node.json", node_url)
    return JsonNodeFile(node_path(data_dir, node_url, ".node.json"), node_url)


def set_aside(kind: str, data_dir: Path, node_url: str, why: str = "removed") -> Path | None:
    """Rename the data of a node and its node file to <name>.<why>-<UTC time>; nothing is deleted.

    The store must be closed. Returns the new path of the data; None: there was none. StoreError.
    """
    moved: Path | None = None
    for ending in _DATA.get(kind, ()):
        path = node_path(data_dir, node_url, ending)
        if path.exists():
            target = set_folder_aside(path, why)
            moved = moved or target
    return moved


# --- the form


_ADVICE = (
    "nothing was overwritten: restore it, or move the node's data folder away, so that the node rejoins"
    " and gets its data from the others"
)
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


def _flaw(error: Exception) -> str:
    """The reason why a file is unreadable, in words."""
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return f"it isn't JSON ({error})"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return str(error) if isinstance(error, ValueError) else repr(error)


class _Written(NamedTuple):
    """The content of a file."""

    saved: Saved
    sequence: int | None
    """The number of the save; None: an older LimeDB wrote it."""


def serialize(saved: Saved, sequence: int = 0) -> bytes:
    """The bytes of the file."""
    # Named tuples stay named tuples, which JSON writes as lists.
    fields = {"format": FORMAT, **asdict(saved, dict_factory=_named_as_on_disk), "sequence": sequence}
    return json.dumps({**fields, _CHECKSUM: _checksum_of(fields)}, indent=1).encode()


def _named_as_on_disk(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """The names of the fields in the file, which never change, even if the code has better ones."""
    return {_ON_DISK.get(name, name): value for name, value in fields}


def parse(data: bytes) -> Saved:
    """The saved state. ValueError and others of _UNREADABLE: it isn't such a file."""
    return _checked(data).saved


def _checked(data: bytes) -> _Written:
    fields = json.loads(data)
    checksum = fields.pop(_CHECKSUM, None)
    if checksum is None and "sequence" in fields:
        raise ValueError("its checksum is gone")
    if checksum is not None and checksum != _checksum_of(fields):
        raise ValueError("its checksum doesn't match its content")
    return _Written(_saved_of(fields), fields.get("sequence"))


def _checksum_of(fields: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode())


def _saved_of(fields: Mapping[str, Any]) -> Saved:
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
        rejoins=_text(fields.get("rejoins", "")),
        founded_ms=int(fields.get("founded_ms", 0)),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} isn't text")
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
        MemberState(fields["standing"]),
    )
