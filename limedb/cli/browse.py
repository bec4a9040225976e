"""`limedb keys|scan`: keys in their order, page by page."""

import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from limedb.cli.numbers import Whole
from limedb.cli.options import MAX_COUNT, command, consistency_option, target_option, timeout_option
from limedb.cli.output import (
    JSON,
    RAW,
    TABLE,
    echo,
    output_option,
    put,
    shown_value,
    table,
    value_fields,
)
from limedb.core.quorum import Level
from limedb.core.visible import json_text, shell_word
from limedb.operator.scans import ScanEntry, ScanPage, ScanRange, scan_client
from limedb.tls.target import Target

F = TypeVar("F", bound=Callable[..., Any])

VALUE_WIDTH = 60
DEFAULT_LIMIT = 100


def _range_options(wrapped: F) -> F:
    options = (
        click.argument("prefix", default=""),
        click.option("--start", default="", metavar="KEY", help="The first key to list."),
        click.option("--end", default="", metavar="KEY", help="List only keys before this one."),
        click.option("--after", metavar="CURSOR", help="Continue after the page that printed this cursor."),
        click.option(
            "--limit",
            default=DEFAULT_LIMIT,
            show_default=True,
            type=Whole(0, MAX_COUNT),
            help="How many keys; 0: all.",
        ),
        click.option("--local", is_flag=True, help="Only the keys that the target node itself holds."),
    )
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


@command(
    "keys",
    examples="""
    limedb keys user/
    limedb keys --limit 0 | wc -l
    limedb keys --local --target localhost:7001 -o table
    """,
)
@_range_options
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def keys(shape: str, **options: Any) -> None:  # noqa: ANN401 (the options of a scan)
    """List the keys of the whole cluster that begin with PREFIX, in order, one a line."""
    _list(shape, keys_only=True, **options)


@command(
    "scan",
    examples="""
    limedb scan user/ --limit 20
    limedb scan --start a --end b -o json
    """,
)
@_range_options
@output_option(TABLE)
@consistency_option
@target_option
@timeout_option
def scan(shape: str, **options: Any) -> None:  # noqa: ANN401 (the options of a scan)
    """List the keys of the whole cluster that begin with PREFIX, in order, with their values.

    -o json prints an object a line, raw the values alone.
    """
    _list(shape, keys_only=False, **options)


def _list(
    shape: str,
    keys_only: bool,
    prefix: str,
    start: str,
    end: str,
    after: str | None,
    limit: int,
    local: bool,
    level: Level | None,
    target: Target,
    timeout: float,
) -> None:
    with scan_client(target, timeout) as node:
        pages = node.scan(
            ScanRange(prefix, start, end),
            after=after,
            limit=limit,
            keys_only=keys_only,
            level=level,
            local=local,
            page_size=1000 if limit == 0 or limit > 1000 else limit,
        )
        cursor = _show(pages, shape, keys_only)
    if cursor is not None:
        click.echo(f"There may be more: --after {shell_word(cursor)}", err=True)


def _show(pages: Iterator[ScanPage], shape: str, keys_only: bool) -> str | None:
    """Print pages; return the cursor after the last one."""
    cursor, first = None, True
    for page in pages:
        if shape == TABLE and (page.entries or first):
            echo(_table(page.entries, keys_only, first))
        for entry in page.entries if shape != TABLE else ():
            _show_entry(entry, shape, keys_only)
        cursor, first = page.after, False
        sys.stdout.flush()
    return cursor


def _show_entry(entry: ScanEntry, shape: str, keys_only: bool) -> None:
    if shape == JSON:
        fields = {"size": entry.size, "version": str(entry.version)}
        expiry = {"expiresAtMs": str(entry.expires_at_ms)} if entry.expires_at_ms else {}
        line = {"key": entry.key, **value_fields(entry.value), **fields, **expiry}
        put(json_text(line))
    else:
        put(entry.key if keys_only or entry.value is None else entry.value)


def _table(entries: tuple[ScanEntry, ...], keys_only: bool, first: bool) -> str:
    columns = ["KEY", ">SIZE", ">VERSION", ">EXPIRES AT MS"]
    rows: list[list[object]] = [
        [entry.key, entry.size, entry.version, entry.expires_at_ms or "-"] for entry in entries
    ]
    if not keys_only:
        columns.append("VALUE")
        for row, entry in zip(rows, entries, strict=True):
            row.append(shown_value(entry.value, VALUE_WIDTH))
    return table(columns, rows, with_header=first)
