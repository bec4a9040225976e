"""How far an import or an export is, on disk: so that it can be resumed.

It owns the small file beside the data file, replaced as a whole: a crash leaves the old or the new one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import xxhash

from limedb.errors import BulkError
from limedb.storage.files import replace_durably

HEAD = 64 << 10
T = TypeVar("T", "Imported", "Exported")


@dataclass(frozen=True, slots=True)
class Imported:
    """How far an import is. offset, line: its Place; head: a digest of what the file begins with.

    stored, failed, expired: how many items were, before that place.
    """

    offset: int
    line: int
    head: str
    stored: int
    failed: int
    expired: int


@dataclass(frozen=True, slots=True)
class Exported:
    """How far an export is. after: the scan's cursor; size: bytes of the file; written, failed: items.

    what: the range and the form, so that nothing else is added to the file.
    """

    after: str
    size: int
    written: int
    failed: int
    what: str


def state_path(data: Path) -> Path:
    """Where the state of a data file's import or export is."""
    return data.with_name(data.name + ".limedb-state")


def save(data: Path, state: Imported | Exported) -> None:
    """Keep a state. BulkError: it can't be written."""
    try:
        replace_durably(state_path(data), json.dumps(asdict(state)).encode())
    except OSError as error:
        raise BulkError(f"{state_path(data)} can't be written: {error.strerror}") from None


def load(data: Path, kind: type[T]) -> T | None:
    """The state that was kept; None: there is none. BulkError: it is no such state."""
    path = state_path(data)
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BulkError(f"{path} can't be read ({error}): remove it to start anew") from None
    if not isinstance(told, Mapping) or set(told) != set(kind.__dataclass_fields__):
        raise BulkError(f"{path} is not the state of such a run: remove it to start anew")
    return kind(**told)


def forget(data: Path) -> None:
    """Remove the state: all is done."""
    state_path(data).unlink(missing_ok=True)


def head_of(file: BinaryIO) -> str:
    """A digest of what a file begins with, which tells it from another one."""
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return xxhash.xxh3_128_hexdigest(head)
