"""The source of an import, and its progress.

It owns the file or pipe, and the small file beside it from which an import is resumed. It must never store
keys.

Tested in tests/cli/test_transfer.py.
"""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import click

from limedb.bulk import foreign, progress
from limedb.bulk.importer import Importer
from limedb.bulk.items import Line, Place
from limedb.bulk.pipe import Pipe
from limedb.bulk.progress import Imported
from limedb.errors import BulkError, LimeDBError

STDIN = 0


class Source:
    """The file, and the state file beside it, if it has one. is_file: it can be read from any place. warn:
    called with the reason why the import can't be resumed, except for stdin, where nobody expects it.
    """

    unit = "line"
    is_whole = True

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        raw = _opened(path)
        self.path, self._warn = path, warn
        self.is_file = str(path) != "-" and raw.seekable()
        self._pipe = None if self.is_file else Pipe(raw)
        self.file = io.BufferedReader(self._pipe or raw)
        self.size = os.fstat(raw.fileno()).st_size if self.is_file else None
        self.head = progress.head_of(self.file) if self.is_file else ""
        self._why_not = progress.why_not_kept(path)

    def lines(self, read: Callable[[BinaryIO, Place], Iterator[Line]], start: Place) -> Iterator[Line]:
        """Yield the lines from a place on. BulkError: it is a file of another kind, or its reader's."""
        name = str(self.path) if str(self.path) != "-" else "the input"
        foreign.check(name, self.file.peek(foreign.HEAD_BYTES))
        yield from read(self.file, start)

    @property
    def has_state(self) -> bool:
        """Whether the import can be resumed."""
        return not self._why_not

    def state(self, resume: bool, restart: bool) -> Imported:
        """Return where to begin. BulkError, UsageError: it isn't clear where."""
        if resume and not self.has_state:
            raise click.UsageError(
                f"an import of {self.path} can't be resumed, for {self._why_not}: send only the missing lines"
            )
        if not self.has_state and str(self.path) != "-":
            self._warn(self._unresumable)
        kept = progress.load(self.path, Imported) if self.has_state and not restart else None
        if kept is None:
            return Imported(0, 0, self.head, 0, 0, 0)
        if not resume:
            raise click.UsageError(
                f"an import of {self.path} was interrupted after line {kept.line}: give --resume or --restart"
            )
        if kept.head != self.head:
            raise BulkError(f"{self.path} is not the file whose import was interrupted: give --restart")
        return kept

    @property
    def advice(self) -> str:
        """How to continue an import that was interrupted."""
        return (
            "--resume continues after line {}"
            if self.has_state
            else "to continue, send the lines after line {}"
        )

    def described(self, number: int, error: LimeDBError) -> str:
        """The report of a bad line."""
        return f"line {number}: {error}"

    def position(self) -> int:
        """How much of `size` was read."""
        return self.file.tell() if self.is_file else 0

    def save(self, importer: Importer) -> None:
        """Save the progress; warn if that fails."""
        if not self.has_state:
            return
        place, counts = importer.place, importer.counts
        so_far = (counts.stored, counts.failed, counts.expired)
        try:
            progress.save(self.path, Imported(place.offset, place.line, self.head, *so_far))
        except BulkError as error:
            self._why_not = str(error)
            self._warn(self._unresumable)

    @property
    def _unresumable(self) -> str:
        return f"Warning: if this import is interrupted, it can't be resumed, for {self._why_not}"

    def stop(self) -> None:
        """Stop reading, even if a reader waits for more input."""
        if self._pipe is not None:
            self._pipe.stop()

    def forget(self) -> None:
        """Remove the state: the import is done."""
        if self.has_state:
            progress.forget(self.path)


def _opened(file: Path) -> io.FileIO:
    try:
        if str(file) == "-":
            return io.FileIO(STDIN, closefd=False)
        return io.FileIO(file)
    except OSError as error:
        raise click.UsageError(f"{file} can't be read: {error.strerror}") from None
