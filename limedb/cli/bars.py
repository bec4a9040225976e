"""Progress bars on stderr, where that is a terminal; nothing elsewhere.

It owns when rich is loaded: only where a bar is shown.

Tested in tests/cli/test_admin_bars.py and tests/cli/test_terminal.py.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Advance = Callable[[int, str], None]
"""Shows the progress, in the unit of the total, and a few words."""
Say = Callable[[str], None]
"""Prints a line on stderr, above the bar."""


@contextmanager
def bar(label: str, total: int | None) -> Iterator[tuple[Advance, Say]]:
    """Show a bar during the block. total: None: it isn't known."""
    if not sys.stderr.isatty():
        yield lambda _done, _words: None, lambda line: click.echo(line, err=True)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
    columns = ("{task.description}", BarColumn(), "{task.fields[words]}", TimeElapsedColumn())
    shown = [TextColumn(column) if isinstance(column, str) else column for column in columns]
    with Progress(*shown, *([TimeRemainingColumn()] if total else []), console=console) as progress:
        task = progress.add_task(label, total=total, words="")
        yield (
            lambda done, words: progress.update(task, completed=done, words=words),
            lambda line: console.print(escape(line), highlight=False),
        )
