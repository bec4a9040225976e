"""The data that a Go LimeDB left in DATA_DIR, for the first start of our node of the same name.

It owns the names that the Go LimeDB gives its files, the reading of its JSON file, and the note beside a
node's data that says whether its file was taken over. It must never change a file of the Go LimeDB.

The Go LimeDB joins DATA_DIR and NODE_URL as paths, which makes one slash of two: `http:/node1:8484.json`.
Its earlier versions named the file after the host alone (`node1.json`); its latest ones keep a folder
`http:/node1:8484_lsm`, in a format of their own. The JSON file maps keys to texts, or to {"value",
"timestamp_micros", "tombstone"}.
"""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from typing_extensions import override

from limedb.core.hlc import version_at
from limedb.core.limits import record_flaw
from limedb.core.record import Record, value_size
from limedb.errors import StoreError
from limedb.ports import Inheritance
from limedb.storage.data_names import has_data
from limedb.storage.files import make_folder, node_path, replace_durably, store_error

log = logging.getLogger(__name__)

MIB = 1 << 20
_DONE = "done"
_SHOWN = 10
"""How many keys that can't be kept are named."""


class GoFile(Inheritance):
    """A file of the Go LimeDB to take over. flaws: of the keys that no node could store, a sentence each."""

    def __init__(self, path: Path, note: Path, records: list[Record], flaws: list[str]) -> None:
        self._path, self._note = path, note
        self._records, self.flaws = records, flaws

    @property
    @override
    def name(self) -> str:
        return f"the Go LimeDB's file {self._path}"

    @property
    @override
    def records(self) -> list[Record]:
        return self._records

    @override
    async def done(self) -> None:
        await asyncio.to_thread(_write_note, self._note, self._path, _DONE)
        self._records = []


def find_go_file(kind: str, data_dir: Path, node_url: str, now_ms: int, max_value_size: int) -> GoFile | None:
    """The file of the Go LimeDB that a node is to take over; None: there is none, or it was taken over, or
    the node has data of its own. Call it before the node's store is opened. kind: as STORE. max_value_size:
    bytes of a value, as clients may store it.

    StoreError: the file can't be read or isn't one, it has larger values, or the data is in a format that
    only the Go LimeDB reads.
    """
    if kind == "memory":
        return None
    note, found = node_path(data_dir, node_url, ".go-import"), _found(data_dir, node_url)
    state, is_first = _read_note(note), not has_data(kind, data_dir, node_url)
    if state == _DONE or (found is None and state is None):
        if is_first:
            _mention(found, note, data_dir)
        return None
    if found is None:
        raise StoreError(
            f"{note} says that a file of the Go LimeDB was being taken over, but it is gone: put it back, or"
            f" remove {note.name} to do without it"
        )
    if state is None and not is_first:
        log.warning(
            "the Go LimeDB's data in %s is not read, since this node has data of its own: %s, then move it"
            " away", found, _advice(found),
        )  # fmt: skip
        return None
    return _opened(found, note, now_ms, max_value_size)


def _mention(found: Path | None, note: Path, data_dir: Path) -> None:
    """Log other data in the folder, when a node starts without data of its own."""
    if found is not None:
        log.warning("%s was taken over before, and isn't again: to do so, remove %s", found, note)
    elif others := sorted(str(path) for path in data_dir.glob("http*:/*.json")):
        log.warning(
            "files of Go LimeDB nodes with other names are not taken over: %s. Start a node under each of"
            " those names, or store the keys by `limedb import FILE`", ", ".join(others),
        )  # fmt: skip


def _opened(path: Path, note: Path, now_ms: int, max_value_size: int) -> GoFile:
    if path.is_dir():
        raise StoreError(
            f"{path} holds data of a Go LimeDB in its LSM format, which only that program reads:"
            f" {_advice(path)}, or move the folder away to begin without its keys"
        )
    try:
        data, written_ms = path.read_bytes(), int(path.stat().st_mtime * 1000)
    except OSError as error:
        raise store_error(f"{path}, the file of a Go LimeDB, can't be read", error) from error
    records, flaws = _parsed(path, data, max(1, min(written_ms, now_ms)))
    _check_sizes(path, records, max_value_size)
    _write_note(note, path, "begun")
    for flaw in flaws[:_SHOWN]:
        log.error("%s: %s", path, flaw)
    if len(flaws) > _SHOWN:
        log.error("%s: %d more keys can't be kept", path, len(flaws) - _SHOWN)
    log.info("found %s of a Go LimeDB; keys to take over: %d", path, len(records))
    return GoFile(path, note, records, flaws)


def _advice(path: Path) -> str:
    if path.is_dir():
        return (
            "start its nodes, and copy their keys into a new cluster by `limedb import http://GO-NODE:PORT`"
        )
    return f"store its keys by `limedb import '{path}'`"


def _found(data_dir: Path, node_url: str) -> Path | None:
    """The newest format first."""
    joined = Path(data_dir, node_url)  # pathlib makes one slash of two, as Go does
    label = (urlsplit(node_url).hostname or "").split(".")[0]
    names = (f"{joined.name}_lsm", f"{joined.name}.json")
    candidates = [path for name in names if (path := _in_any_case(joined.parent, name))]
    if label and (path := _in_any_case(data_dir, f"{label}.json")):
        candidates.append(path)
    return candidates[0] if candidates else None


def _in_any_case(folder: Path, name: str) -> Path | None:
    """An entry of a folder by its name in upper or lower case: the Go LimeDB keeps a URL's case."""
    try:
        return next((path for path in folder.iterdir() if path.name.lower() == name.lower()), None)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise store_error(f"folder {folder} can't be read", error) from error


class _Entry(NamedTuple):
    """An entry that was read: a record, or the reason why it can't be one."""

    record: Record | None
    flaw: str


def _parsed(path: Path, data: bytes, written_ms: int) -> tuple[list[Record], list[str]]:
    """The records of a file, and a sentence for each key that can't be kept."""
    try:
        entries = json.loads(data)
        if not isinstance(entries, dict):
            raise TypeError(f"it holds a {type(entries).__name__}")
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError(
            f"{path} isn't a whole file of a Go LimeDB, a JSON object of keys and values: {error}. Nothing"
            " was changed: restore it from a copy, or move it away to begin without its keys"
        ) from error
    read = list(_entries(entries, written_ms))
    return [each.record for each in read if each.record], [each.flaw for each in read if each.flaw]


def _check_sizes(path: Path, records: Sequence[Record], limit: int) -> None:
    """Refuse values over the limit: clients and tools rely on it, and could neither list nor copy them."""
    sizes = {record.key: size for record in records if (size := value_size(record.value or "")) > limit}
    if sizes:
        key, size = max(sizes.items(), key=itemgetter(1))
        raise StoreError(
            f"{path} has values over the limit of {limit} bytes (MAX_VALUE_SIZE): the largest of {len(sizes)}"
            f" has {size} bytes, of key {key[:64]!r}. Nothing was changed: set"
            f" MAX_VALUE_SIZE={-(-size // MIB)}MiB on every node, or take such keys out of the file"
        )


def _entries(entries: Mapping[str, object], written_ms: int) -> Iterator[_Entry]:
    for key, entry in entries.items():
        try:
            record = _record(key, entry, written_ms)
            flaw = "" if key else "a key of 0 bytes"
            flaw = flaw or record_flaw(record)
            record.key.encode()
        except (TypeError, ValueError) as error:
            yield _Entry(None, f"key {key[:64]!r} can't be kept: {error}")
        else:
            yield _Entry(None, f"key {key[:64]!r} can't be kept: {flaw}") if flaw else _Entry(record, "")


def _record(key: str, entry: object, written_ms: int) -> Record:
    if isinstance(entry, str):
        return Record(key, entry, version_at(written_ms))
    if not isinstance(entry, dict) or not isinstance(value := entry.get("value"), str):
        raise TypeError("its entry is neither a text nor an object with a text as its value")
    milliseconds, rest = divmod(int(entry.get("timestamp_micros", 0)), 1000)
    version = min(version_at(milliseconds, rest), version_at(written_ms)) or 1
    return Record(key, None if entry.get("tombstone") is True else value, version)


def _read_note(note: Path) -> str | None:
    """The state of a file: begun or done; None: no file was found yet."""
    try:
        return str(json.loads(note.read_bytes())["state"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise StoreError(
            f"{note} is damaged: remove it to take over the Go LimeDB's file once more, or write"
            ' {"state": "done"} into it'
        ) from None
    except OSError as error:
        raise store_error(f"{note} can't be read", error) from error


def _write_note(note: Path, path: Path, state: str) -> None:
    try:
        make_folder(note.parent)
        replace_durably(note, json.dumps({"state": state, "file": str(path)}).encode())
    except OSError as error:
        raise store_error(f"{note} can't be written", error) from error
