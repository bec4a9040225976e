"""A command on a terminal of its own: what it shows there."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping


def on_terminal(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run the command line with a terminal as stdin, stdout and stderr; its exit code, and what it showed."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})}
    with subprocess.Popen(
        [sys.executable, "-m", "limedb", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=settings
    ) as command:
        os.close(theirs)
        shown = _all_of(ours)
    return command.returncode, shown


def _all_of(terminal: int) -> str:
    shown = bytearray()
    try:
        while data := os.read(terminal, 65536):
            shown += data
    except OSError:  # the last one at its other end has closed it
        pass
    finally:
        os.close(terminal)
    return shown.decode(errors="replace")
