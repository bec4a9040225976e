"""`limedb export`: arguments, the bar, and the file that grows.

Tested in tests/cli/test_transfer.py.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import click

from limedb.aio.retrying import Patience
from limedb.bulk import progress
from limedb.bulk.exporter import Exporter, Progress
from limedb.bulk.items import Format
from limedb.bulk.progress import Exported
from limedb.cli.bars import bar
from limedb.cli.codes import IN_PART
from limedb.cli.files import form_of, form_option
from limedb.cli.options import command, consistency_option, patience_option, target_option
from limedb.core.quorum import Level
from limedb.errors import BadItemError, BulkError, LimeDBError
from limedb.operator.scans import ScanRange, scan_client
from limedb.tls.target import Target

SAVE_SECONDS = 1.0
PAGE = 500


@command(
    "export",
    examples="""
    limedb export all.jsonl
    limedb export users.csv --prefix user/
    limedb export - --format jsonl --prefix user/ | gzip > users.jsonl.gz
    limedb export all.jsonl --resume
    """,
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@form_option
@click.option("--prefix", default="", help="Only keys that begin with this.")
@click.option("--start", default="", metavar="KEY", help="The first key to export.")
@click.option("--end", default="", metavar="KEY", help="Export only keys before this one.")
@click.option("--resume", is_flag=True, help="Continue an export to the file that was interrupted.")
@click.option("--force", is_flag=True, help="Start from the beginning, and overwrite the file.")
@consistency_option
@target_option
@patience_option
def export(
    file: Path,
    form: Format | None,
    prefix: str,
    start: str,
    end: str,
    resume: bool,
    force: bool,
    level: Level | None,
    target: Target,
    patience: float,
) -> None:
    """Write the keys of the cluster to FILE (- is stdout), in order; exit with 4 if its format can't hold
    some.

    FILE.limedb-state keeps the progress until the export is done, so that it can be resumed.
    """
    form = Format.JSONL if str(file) == "-" and form is None else form_of(file, form)
    keys = ScanRange(prefix, start, end)
    sink = _Sink(file, f"{form} {keys}")
    total = _expected(target) if sys.stderr.isatty() and keys == ScanRange() else None
    with (
        sink.opened(resume, force) as (out, begun),
        bar(f"exporting to {file.name}", total) as (advance, say),
    ):
        began = time.monotonic()

        def moved() -> None:
            rate = (run.progress.written - begun.written) / max(time.monotonic() - began, 0.001)
            advance(run.progress.written, f"{run.progress.written:,} keys, {rate:,.0f}/s")
            sink.moved(run.progress)

        def report(error: BadItemError) -> None:
            say(str(error))

        run = Exporter(form, out, replace(begun), report, moved, Patience(patience))
        try:
            with scan_client(target, patience) as node:
                run.run(lambda after: node.scan(keys, after=after, level=level, page_size=PAGE))
        except KeyboardInterrupt:
            say(f"interrupted; {run.progress.written:,} keys written{sink.hint}")
            raise
        except LimeDBError:
            if run.progress.after is not None:
                say(f"stopped; {run.progress.written:,} keys written{sink.hint}")
            raise
    sink.forget()
    click.echo(f"{run.progress.written:,} keys written, {run.progress.failed:,} left out", err=True)
    if run.progress.failed:
        sys.exit(IN_PART)


class _Sink:
    """The file, and the state file beside it, if it has one. what: the form and the range."""

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what
        self._is_file = not progress.is_stream(path)
        self._saved = time.monotonic()

    @contextmanager
    def opened(self, resume: bool, force: bool) -> Iterator[tuple[BinaryIO, Progress]]:
        """Open the file where the export continues; yield it with the progress."""
        if str(self._path) == "-":
            yield sys.stdout.buffer, Progress()
            sys.stdout.buffer.flush()
            return
        kept = self._kept(resume, force) if self._is_file else None
        try:
            if kept is None:
                with self._path.open("wb") as pipe:
                    yield pipe, Progress()
                return
            with self._path.open("r+b" if kept.size else "wb") as self._out:
                self._out.truncate(kept.size)
                self._out.seek(kept.size)
                progress.save(self._path, kept)
                yield self._out, Progress(kept.after or None, kept.written, kept.failed)
        except OSError as error:
            remedy = "; fix that, then --resume" if self._is_file else ""
            raise BulkError(f"{self._path} can't be written: {error.strerror}{remedy}") from None

    def _kept(self, resume: bool, force: bool) -> Exported:
        """Return the state to begin with. UsageError, BulkError: it isn't clear which."""
        kept = None if force else progress.load(self._path, Exported)
        if kept is None:
            if self._path.exists() and not force:
                raise click.UsageError(f"{self._path} exists already: --force overwrites it")
            return Exported("", 0, 0, 0, self._what)
        if not resume:
            raise click.UsageError(f"an export to {self._path} was interrupted: --resume or --force")
        if kept.what != self._what:
            raise BulkError(f"{self._path} was begun with {kept.what}: give the same, or --force")
        return kept

    def moved(self, now: Progress) -> None:
        """Save the state, at most once a second, after a page was written."""
        if self._is_file and now.after is not None and time.monotonic() - self._saved >= SAVE_SECONDS:
            self._saved = time.monotonic()
            self._out.flush()
            os.fsync(self._out.fileno())
            size = self._out.tell()
            progress.save(self._path, Exported(now.after, size, now.written, now.failed, self._what))

    @property
    def hint(self) -> str:
        """How to continue after an interruption."""
        return ": --resume continues from about there" if self._is_file else ""

    def forget(self) -> None:
        """Remove the state: the export is done."""
        if self._is_file:
            progress.forget(self._path)


def _expected(target: Target) -> int | None:
    """Return roughly how many keys the cluster holds, for the bar; None: unknown."""
    from limedb.operator.cluster import cluster_client  # only a bar needs it

    try:
        with cluster_client(target, 2.0) as node:
            response = node.state()
    except LimeDBError:
        return None  # the scan will report the reason
    copies = min(response["replicationFactor"], response["totalNodes"])
    return sum(member["keys"] for member in response["members"]) // copies if copies else None
