"""A command on a terminal of its own: what it shows there."""

import os
import pty
import signal
import sys
from collections.abc import Iterator, Mapping

from tests.support.children import LIMIT, child


def on_terminal(
    *arguments: str, env: Mapping[str, str] | None = None, interrupt_at: str = ""
) -> tuple[int, str]:
    """Run the command line with a terminal as stdin, stdout and stderr; its exit code, and what it showed.

    interrupt_at: as soon as it shows this, it gets a SIGINT.
    """
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})}
    command_line = [sys.executable, "-m", "limedb", *arguments]
    with child(command_line, stdin=theirs, stdout=theirs, stderr=theirs, env=settings) as command:
        os.close(theirs)
        shown = ""
        for shown in _pieces(ours):
            if interrupt_at and interrupt_at in shown:
                command.send_signal(signal.SIGINT)
                interrupt_at = ""
        command.wait(LIMIT)
    return command.returncode, shown


def _pieces(terminal: int) -> Iterator[str]:
    """All that was shown so far, again and again until it ends."""
    shown = bytearray()
    try:
        while data := os.read(terminal, 65536):
            shown += data
            yield shown.decode(errors="replace")
    except OSError:  # the last one at its other end has closed it
        pass
    finally:
        os.close(terminal)
