"""The progress of an import or an export, on disk, so that it can be resumed.

It owns the small file beside the data file, and replaces it as a whole: a crash leaves the old or the new
one.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import xxhash

from limedb.errors import BulkError
from limedb.storage.files import replace_durably

HEAD = 64 << 10
"""Bytes at the beginning by which a file is recognised."""
T = TypeVar("T", "Imported", "Exported")


@dataclass(frozen=True, slots=True)
class Imported:
    """The progress of an import. offset, line: its Place; head: a digest of the file's beginning.

    stored, failed, expired: the items before that place.
    """

    offset: int
    line: int
    head: str
    stored: int
    failed: int
    expired: int


@dataclass(frozen=True, slots=True)
class Exported:
    """The progress of an export. after: the scan's cursor; size: bytes of the file; written, failed: items.

    what: the range and the form, so that a resumed run adds nothing else to the file.
    """

    after: str
    size: int
    written: int
    failed: int
    what: str


def is_stream(data: Path) -> bool:
    """Return whether there is no file beside which a state could be: stdin, stdout, a pipe, a device, or what
    a descriptor names.
    """
    folder = data.parent.absolute()
    is_named_so = str(data) == "-" or folder.is_relative_to("/dev") or folder.is_relative_to("/proc")
    return is_named_so or (data.exists() and not data.is_file())


def why_not_kept(data: Path) -> str:
    """Return why the progress of a run can't be kept beside a data file; empty: it can."""
    folder = data.parent.absolute()
    if is_stream(data):
        return "it is a pipe or a descriptor"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder} can't be written"


def state_path(data: Path) -> Path:
    """Return the path of the state of a data file's import or export."""
    return data.with_name(data.name + ".limedb-state")


def save(data: Path, state: Imported | Exported) -> None:
    """Write a state. BulkError: it can't be written."""
    try:
        replace_durably(state_path(data), json.dumps(asdict(state)).encode())
    except OSError as error:
        raise BulkError(f"{state_path(data)} can't be written: {error.strerror}") from None


def load(data: Path, kind: type[T]) -> T | None:
    """Return the saved state; None: there is none. BulkError: the file holds something else."""
    path = state_path(data)
    try:
        state = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BulkError(f"{path} can't be read ({error}): remove it to start over") from None
    if not isinstance(state, Mapping) or set(state) != set(kind.__dataclass_fields__):
        raise BulkError(f"{path} is not the state of an import or export: remove it to start over")
    return kind(**state)


def forget(data: Path) -> None:
    """Remove the state of a finished run."""
    state_path(data).unlink(missing_ok=True)


def head_of(file: BinaryIO) -> str:
    """Return a digest of a file's beginning, by which to recognise the file."""
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return xxhash.xxh3_128_hexdigest(head)
