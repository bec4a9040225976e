"""`limedb import`: arguments, the bar, and the report of bad lines.

Tested in tests/cli/test_transfer.py.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from limedb.bulk import csv_file, go_file, jsonl
from limedb.bulk.importer import Counts, Importer
from limedb.bulk.items import Format, Line, Place
from limedb.bulk.progress import Imported
from limedb.cli.bars import Advance, Say, bar
from limedb.cli.codes import IN_PART
from limedb.cli.files import form_of, form_option
from limedb.cli.import_cluster import ClusterSource, FileOrUrl
from limedb.cli.import_source import Source
from limedb.cli.options import SECONDS, command, consistency_option, target_option
from limedb.core.quorum import Level
from limedb.errors import LimeDBError
from limedb.tls.target import Target

SAVE_SECONDS = 1.0
_READERS = {Format.JSONL: jsonl.read, Format.CSV: csv_file.read, Format.GO: go_file.read}


@command(
    "import",
    examples="""
    limedb import users.jsonl
    limedb import users.csv --stop-on-error
    limedb import 'http:%2F%2Fnode1:8484.json' --format go
    limedb import http://go-node1:8484
    limedb export - --target old:8484 | limedb import - --format jsonl --target new:8484
    """,
)
@click.argument("file", type=FileOrUrl(dir_okay=False, path_type=Path))
@form_option
@click.option("--resume", is_flag=True, help="Continue an import of the file that was interrupted.")
@click.option("--restart", is_flag=True, help="Start over, even if an import was interrupted.")
@click.option(
    "--stop-on-error", is_flag=True, help="Stop at the first bad line. Default: report it, and continue."
)
@consistency_option
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=SECONDS,
    metavar="DURATION",
    help="How long to retry each batch while the cluster is away.",
)
@target_option
def import_(
    file: Path | str,
    form: Format | None,
    resume: bool,
    restart: bool,
    stop_on_error: bool,
    level: Level | None,
    timeout: float,
    target: Target,
) -> None:
    """Store the keys of FILE (- is stdin); exit with 4 if some of its lines are bad.

    FILE.limedb-state keeps the progress, so that you can resume an interrupted import. If it can't be
    written, for example beside a pipe, the command warns.

    FILE can be the URL of a node of a running Go LimeDB: the command then reads the keys of all nodes that
    this one knows, over their REST. If their own names can't be reached from here, list several URLs,
    separated by commas. It names nodes that don't answer, and then exits with 4.
    """
    carry_out = partial(_carry_out, target=target, level=level, timeout=timeout, stop_on_error=stop_on_error)
    if not isinstance(file, Path):
        if form or resume or restart:
            raise click.UsageError(
                "a running Go LimeDB is read as a whole: leave out --format, --resume, --restart"
            )
        cluster = ClusterSource(file, partial(click.echo, err=True))
        carry_out(cluster, Imported(0, 0, "", 0, 0, 0), cluster.lines)
        return
    form = form_of(file, form)
    source = Source(file, partial(click.echo, err=True))
    with source.file:
        state = source.state(resume, restart)
        carry_out(source, state, source.lines(_READERS[form], Place(state.offset, state.line)))


def _carry_out(
    source: Source | ClusterSource,
    state: Imported,
    lines: Iterator[Line],
    *,
    target: Target,
    level: Level | None,
    timeout: float,
    stop_on_error: bool,
) -> None:
    with bar(f"importing {source.path.name}", source.size) as (advance, say):
        run = _Run(source, state, advance, say)
        try:
            asyncio.run(run.carry_out(lines, target, level, timeout, stop_on_error))
        except KeyboardInterrupt:
            say(f"interrupted; {run.left_off()}")
            raise
        except LimeDBError:
            if run.has_begun:
                say(f"stopped; {run.left_off()}")
            raise
        finally:
            run.keep()
    source.forget()
    click.echo(run.words(), err=True)
    if run.importer.counts.failed or not source.is_whole:
        sys.exit(IN_PART)


class _Run:
    """An import under way. has_begun: there is an importer."""

    importer: Importer

    def __init__(self, source: Source | ClusterSource, state: Imported, advance: Advance, say: Say) -> None:
        self._source, self._advance, self._say = source, advance, say
        self._start = Place(state.offset, state.line)
        self._counts = Counts(state.stored, state.failed, state.expired)
        self._saved = self._began = time.monotonic()
        self._before = state.stored
        self.has_begun = False

    async def carry_out(
        self, lines: Iterator[Line], target: Target, level: Level | None, timeout: float, stop_on_error: bool
    ) -> None:
        """Store all lines."""
        from limedb.client import connect

        async with connect(
            target.url,
            consistency=level,
            timeout=timeout,
            idempotent=True,
            patient=True,
            **target.files,
        ) as db:
            self.importer = Importer(db, self._start, self._counts, self._bad, self._moved, stop_on_error)
            self.has_begun = True
            try:
                await self.importer.run(lines)
            finally:
                self._source.stop()

    def left_off(self) -> str:
        """Return how far it came, and how to continue."""
        line = self.importer.place.line if self.has_begun else 0
        return f"{self.words()}: {self._source.advice.format(line)}" if line else "nothing was stored"

    def words(self) -> str:
        """Return the counts."""
        counts = self.importer.counts
        expired = f", {counts.expired:,} had expired" if counts.expired else ""
        return f"{counts.stored:,} keys stored, {counts.failed:,} bad {self._source.unit}s{expired}"

    def keep(self) -> None:
        """Save the progress, if there is any."""
        if not self.has_begun:
            return
        if self.importer.place.line:
            self._source.save(self.importer)
        else:
            self._source.forget()

    def _bad(self, number: int, error: LimeDBError) -> None:
        self._say(self._source.described(number, error))

    def _moved(self) -> None:
        now, counts = time.monotonic(), self.importer.counts
        rate = (counts.stored - self._before) / max(now - self._began, 0.001)
        self._advance(
            self._source.position(), f"{counts.stored:,} keys, {rate:,.0f}/s, {counts.failed:,} bad"
        )
        if now - self._saved >= SAVE_SECONDS:
            self._saved = now
            self._source.save(self.importer)
