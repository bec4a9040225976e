"""The source of an import, and its progress.

It owns the file or pipe, and the small file beside it from which an import is resumed. It must never store
keys.
"""

import io
import os
from pathlib import Path
from typing import BinaryIO

import click

from limedb.bulk import progress
from limedb.bulk.importer import Importer
from limedb.bulk.pipe import Pipe
from limedb.bulk.progress import Imported
from limedb.errors import BulkError

STDIN = 0


class Source:
    """The file, and the state file beside it, if it has one."""

    unit = "line"
    is_whole = True

    def __init__(self, path: Path) -> None:
        raw = _opened(path)
        self.path, self.has_state = path, str(path) != "-" and raw.seekable()
        self._pipe = None if self.has_state else Pipe(raw)
        self.file: BinaryIO = io.BufferedReader(self._pipe or raw)
        self.size = os.fstat(raw.fileno()).st_size if self.has_state else None
        self.head = progress.head_of(self.file) if self.has_state else ""

    def state(self, resume: bool, restart: bool) -> Imported:
        """Return where to begin. BulkError, UsageError: it isn't clear where."""
        if resume and not self.has_state:
            raise click.UsageError(f"{self.path} can't be resumed: send only the missing lines")
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

    def position(self) -> int:
        """How much of `size` was read."""
        return self.file.tell() if self.has_state else 0

    def save(self, importer: Importer) -> None:
        """Save the progress."""
        if self.has_state:
            place, counts = importer.place, importer.counts
            so_far = (counts.stored, counts.failed, counts.expired)
            progress.save(self.path, Imported(place.offset, place.line, self.head, *so_far))

    def stop(self) -> None:
        """Read no further, even if a reader waits for more input."""
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
