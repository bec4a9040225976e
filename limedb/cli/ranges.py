"""`limedb count` and `limedb del --prefix`: all keys of a range.

Tested in tests/cli/test_ranges.py.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn, TypeVar, cast

import click

from limedb.cli.asking import agrees
from limedb.cli.codes import FAILED, IN_PART, INTERRUPTED, code_of
from limedb.cli.options import command, consistency_option, target_option, timeout_option
from limedb.cli.output import JSON, RAW, TABLE, echo_json, output_option, print_error, printable, show_rows
from limedb.cli.output import size as in_units
from limedb.core.quorum import Level
from limedb.core.visible import shell_word
from limedb.errors import LimeDBError
from limedb.operator.calls import node_client
from limedb.operator.scans import ScanRange, scan_client
from limedb.operator.sweeps import Swept, pages_of, sweep
from limedb.tls.target import Target

F = TypeVar("F", bound=Callable[..., Any])
SHOWN_FAILURES = 5
"""How many failed keys are named."""


@command(
    "count",
    examples="""
    limedb count
    limedb count --prefix session/
    limedb count --start a --end b -o json
    """,
)
@click.option("--prefix", default="", metavar="TEXT", help="Only keys that begin with it. Default: all.")
@click.option("--start", default="", metavar="KEY", help="The first key to count.")
@click.option("--end", default="", metavar="KEY", help="Count only keys before this one.")
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def count(
    prefix: str, start: str, end: str, shape: str, level: Level | None, target: Target, timeout: float
) -> None:
    """Count the keys of the whole cluster, and print their number; with -o table also the bytes of values.

    It reads keys and sizes, not values. A key that is written or deleted meanwhile may count or not.
    """
    keys, size = _count(ScanRange(prefix, start, end), level, target, timeout)
    if shape == JSON:
        echo_json({"keys": keys, "bytes": str(size)})
    elif shape == TABLE:
        show_rows(shape, (">KEYS", ">BYTES", ">SIZE"), [(keys, size, in_units(size))])
    else:
        click.echo(keys)


def _count(
    keys: ScanRange, level: Level | None, target: Target, timeout: float, after: str | None = None
) -> tuple[int, int]:
    number = size = 0
    with scan_client(target, timeout) as scans:
        for page in pages_of(scans, keys, after, level):
            number += len(page.entries)
            size += sum(entry.size for entry in page.entries)
    return number, size


@dataclass(frozen=True, slots=True)
class InRange:
    """A range of keys that `limedb del` is to delete. prefix: None: it is one key. after: the cursor of an
    earlier call. dry_run: only count. yes: don't ask.
    """

    prefix: str | None
    whole: bool
    after: str | None
    dry_run: bool
    yes: bool

    def is_given(self, key: str | None, has_condition: bool) -> bool:
        """Whether it is a range, rather than a key. UsageError: the options contradict each other."""
        ways = (key is not None, self.prefix is not None, self.whole)
        if sum(ways) != 1:
            raise click.UsageError("give one of KEY, --prefix and --all")
        if self.prefix == "":
            raise click.UsageError("an empty --prefix is no prefix: to delete all keys give --all")
        is_range = key is None
        if is_range and has_condition:
            raise click.UsageError("a condition is for one KEY")
        if not is_range and (self.dry_run or self.yes or self.after is not None):
            raise click.UsageError("--dry-run, --yes and --after go together with --prefix or --all")
        return is_range

    def delete(self, shape: str, level: Level | None, target: Target, timeout: float) -> None:
        """Delete the keys, and print how many; exit with 4 if some could not be deleted."""
        keys = ScanRange(self.prefix or "")
        if self.dry_run or (sys.stdin.isatty() and not self.yes):
            number, size = _count(keys, level, target, timeout, self.after)
            if self.dry_run:
                _show_plan(shape, number, size)
                return
            if not agrees(f"Delete {number} keys ({in_units(size)}) {self._which()}?"):
                sys.exit(FAILED)
        progress = _Progress(self.after)
        with (
            progress.reporting(),
            scan_client(target, timeout) as scans,
            node_client(target, timeout) as node,
        ):
            for page in sweep(scans, node, keys, self.after, level):
                progress.add(page)
        _show_result(shape, progress)

    def _which(self) -> str:
        return f"that begin with {printable(self.prefix)}" if self.prefix else "of the whole cluster"


def range_options(wrapped: F) -> F:
    """Add the options of a range to `limedb del`, which gets an InRange by the name `in_range`."""

    @wraps(wrapped)
    def run(
        prefix: str | None,
        whole: bool,
        after: str | None,
        dry_run: bool,
        yes: bool,
        **others: Any,  # noqa: ANN401 (of the command)
    ) -> None:
        wrapped(in_range=InRange(prefix, whole, after, dry_run, yes), **others)

    for option in reversed(_RANGE_OPTIONS):
        run = option(run)
    return cast("F", run)


_RANGE_OPTIONS = (
    click.option("--prefix", metavar="TEXT", help="Delete all keys that begin with it."),
    click.option("--all", "whole", is_flag=True, help="Delete all keys."),
    click.option(
        "--after", metavar="CURSOR", help="Continue with --prefix or --all where an earlier call broke off."
    ),
    click.option("--dry-run", is_flag=True, help="Only count the keys of --prefix or --all."),
    click.option("--yes", is_flag=True, help="Don't ask. On a terminal, --prefix and --all ask first."),
)


class _Progress:
    """The keys deleted so far. after: where the next call continues."""

    def __init__(self, after: str | None) -> None:
        self.deleted = self.changed = 0
        self.failed: list[tuple[str, LimeDBError]] = []
        self.after = after

    def add(self, page: Swept) -> None:
        """Count a page."""
        self.deleted += page.deleted
        self.changed += page.changed
        self.failed += page.failed
        self.after = page.after if page.after is not None else self.after

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """If the block breaks off, print how much was done, and how to continue."""
        try:
            yield
        except LimeDBError as error:
            self._break_off(str(error), code_of(error))
        except KeyboardInterrupt:
            self._break_off("interrupted", INTERRUPTED)

    def _break_off(self, why: str, code: int) -> NoReturn:
        more = f" --after {shell_word(self.after)}" if self.after is not None else ""
        print_error(f"{why}; {self.deleted} keys are deleted: the same command{more} continues")
        sys.exit(code)


def _show_plan(shape: str, number: int, size: int) -> None:
    if shape == JSON:
        echo_json({"wouldDelete": number, "bytes": str(size)})
    else:
        click.echo(f"{number} keys ({in_units(size)}) would be deleted" if shape == TABLE else number)


def _show_result(shape: str, progress: _Progress) -> None:
    if shape == JSON:
        failed = [key for key, _ in progress.failed]
        echo_json({"deleted": progress.deleted, "changed": progress.changed, "failed": failed})
    else:
        click.echo(progress.deleted)
    if progress.changed:
        click.echo(f"{progress.changed} keys were changed meanwhile, and are left", err=True)
    for key, error in progress.failed[:SHOWN_FAILURES]:
        click.echo(f"{printable(key)}: {error}", err=True)
    if progress.failed:
        print_error(f"{len(progress.failed)} keys could not be deleted: the same command tries again")
        sys.exit(IN_PART)
