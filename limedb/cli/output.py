"""The output of commands: tables, JSON, raw; colours on terminals.

It owns the safety of terminals: except for -o raw, it never prints foreign text as it is.
"""

import base64
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO, TypeVar

import click

from limedb.core.visible import json_text, visible, visible_lines

F = TypeVar("F", bound=Callable[..., Any])

TABLE, JSON, RAW = "table", "json", "raw"
_COLOURS = {
    **dict.fromkeys(("active", "normal", "healthy", "SERVING"), "green"),
    **dict.fromkeys(("stale", "joining", "leaving", "degraded", "starting", "draining"), "yellow"),
    **dict.fromkeys(("dead", "removing", "critical", "unhealthy", "NOT_SERVING"), "red"),
}


def output_option(default: str, *shapes: str) -> Callable[[F], F]:
    """Return the option -o with these shapes, or all; it is passed on as `shape`."""
    return click.option(
        "-o",
        "--output",
        "shape",
        type=click.Choice(shapes or (TABLE, JSON, RAW)),
        default=default,
        show_default=True,
        help="How to print it.",
    )


def has_colour(stream: TextIO) -> bool:
    """Return whether a stream wants colours: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(word: str) -> str:
    """Return a word for stdout, in the colour of its meaning."""
    colour = _COLOURS.get(word.strip())
    return click.style(word, colour) if colour and has_colour(sys.stdout) else word


def error_line(text: str) -> str:
    """Return an error as it looks on stderr."""
    label = click.style("Error:", "red", bold=True) if has_colour(sys.stderr) else "Error:"
    return f"{label} {text}"


def print_error(text: str) -> None:
    """Print an error on stderr."""
    click.echo(error_line(text), err=True, color=True)


def echo(text: str) -> None:
    """Print a line whose colours are already right."""
    click.echo(text, color=True)


def echo_json(value: object, indent: int | None = 2) -> None:
    """Print JSON."""
    click.echo(json_text(value, indent))


def put(line: str | bytes) -> None:
    """Print one of many lines: as it is to a file or a pipe, visible in one line on a screen. The caller
    flushes stdout.
    """
    if sys.stdout.isatty():
        sys.stdout.write((visible(line) if isinstance(line, str) else shown_value(line)) + "\n")
    elif isinstance(line, str):
        sys.stdout.write(line + "\n")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(line + b"\n")


def put_value(value: str | bytes) -> None:
    """Print a value, bytes without a line's end: as it is to a file or a pipe, visible on a screen."""
    if sys.stdout.isatty():
        click.echo(visible_lines(value) if isinstance(value, str) else shown_value(value))
    elif isinstance(value, bytes):
        sys.stdout.buffer.write(value)
    else:
        click.echo(value)


def printable(text: str, limit: int = 0) -> str:
    """Return foreign text in one line, as it may be seen, cut to `limit` characters."""
    return visible(text if not limit or len(text) <= limit else text[: limit - 1] + "…")


def value_fields(value: str | bytes | None) -> dict[str, str]:
    """Return a value for JSON: under value, or in base64 under blob."""
    if isinstance(value, bytes):
        return {"blob": base64.b64encode(value).decode()}
    return {} if value is None else {"value": value}


def shown_value(value: str | bytes | None, limit: int = 0) -> str:
    """Return a value for a table; of bytes that aren't text, the first ones as hex."""
    if isinstance(value, bytes):
        try:
            shown = printable(value.decode(), limit)
        except UnicodeDecodeError:
            shown = value[:16].hex() + "…" * (len(value) > 16)
        return f"<{len(value)} bytes> {shown}"
    return "" if value is None else printable(value, limit)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], with_header: bool = True) -> str:
    """Return lines of columns; a column whose name begins with > is aligned to the right."""
    texts = [[_cell(value) for value in row] for row in rows]
    names = [name.removeprefix(">") for name in columns]
    shown = [names, *texts] if with_header else texts
    widths = [max((len(row[at]) for row in shown), default=0) for at in range(len(columns))]
    lines = []
    for row in shown:
        cells = [
            text.rjust(width) if name.startswith(">") else text.ljust(width)
            for name, text, width in zip(columns, row, widths, strict=True)
        ]
        lines.append("  ".join(cells if row is names else map(paint, cells)).rstrip())
    return "\n".join(lines)


def show_rows(shape: str, columns: Sequence[str], rows: Sequence[Sequence[object]], head: str = "") -> None:
    """Print rows as a table below a line, or raw, with tabs between cells, for scripts."""
    if shape == RAW:
        keep = visible if sys.stdout.isatty() else str
        for row in rows:
            cells = (str(round(cell, 3) if isinstance(cell, float) else cell) for cell in row)
            sys.stdout.write("\t".join(map(keep, cells)) + "\n")
    else:
        echo((f"{head}\n" if head else "") + table(columns, rows))


def size(count: float) -> str:
    """Return a number of bytes in a few characters."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _cell(value: object) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else printable(str(value))
