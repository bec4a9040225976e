"""Where an import reads from, and how far it is.

It owns the file or pipe, and the small file beside it that an import is resumed by. It must never store keys.
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
    """The file, and the state beside it, where it has one."""

    def __init__(self, path: Path) -> None:
        raw = _opened(path)
        self.path, self.has_state = path, str(path) != "-" and raw.seekable()
        self._pipe = None if self.has_state else Pipe(raw)
        self.file: BinaryIO = io.BufferedReader(self._pipe or raw)
        self.size = os.fstat(raw.fileno()).st_size if self.has_state else None
        self.head = progress.head_of(self.file) if self.has_state else ""

    def state(self, resume: bool, restart: bool) -> Imported:
        """Where to begin. BulkError, UsageError: it isn't clear where."""
        if resume and not self.has_state:
            raise click.UsageError(f"{self.path} can't be resumed: send only what is missing")
        kept = progress.load(self.path, Imported) if self.has_state and not restart else None
        if kept is None:
            return Imported(0, 0, self.head, 0, 0, 0)
        if not resume:
            raise click.UsageError(
                f"an import of {self.path} was interrupted behind line {kept.line}: --resume or --restart"
            )
        if kept.head != self.head:
            raise BulkError(f"{self.path} is another file than the one that was interrupted: --restart")
        return kept

    def save(self, importer: Importer) -> None:
        """Keep how far it is."""
        if self.has_state:
            place, counts = importer.place, importer.counts
            told = (counts.stored, counts.failed, counts.expired)
            progress.save(self.path, Imported(place.offset, place.line, self.head, *told))

    def stop(self) -> None:
        """Read no further, though somebody waits for what comes."""
        if self._pipe is not None:
            self._pipe.stop()

    def forget(self) -> None:
        """All is done."""
        if self.has_state:
            progress.forget(self.path)


def _opened(file: Path) -> io.FileIO:
    try:
        if str(file) == "-":
            return io.FileIO(STDIN, closefd=False)
        return io.FileIO(file)
    except OSError as error:
        raise click.UsageError(f"{file} can't be read: {error.strerror}") from None
