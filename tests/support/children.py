"""Processes and threads that a test starts and waits for, never without a limit.

It owns that whoever reads from a child, or waits for it, comes to an end: a child that takes too long is
ended, with the stacks of its threads on its stderr, so that its pipes end.
"""

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

LIMIT = 120.0
"""Seconds that a block with a child may take, on a machine with much else to do."""
DYING_SECONDS = 5.0
"""Seconds that a child has to write its stacks."""


@contextmanager
def child(
    command: Sequence[str],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    env: Mapping[str, str] | None = None,
    limit: float = LIMIT,
) -> Iterator["subprocess.Popen[str]"]:
    """A process for the time of the block, of text; it is killed at the block's end. AssertionError: the
    block took longer than `limit` seconds; with what the child wrote that nobody has read.
    """
    settings = {**(os.environ if env is None else env), "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(
        command, stdin=stdin, stdout=stdout, stderr=stderr, env=settings, text=True
    ) as process:
        over = threading.Event()

        def end() -> None:
            over.set()
            abort(process)

        alarm = threading.Timer(limit, end)
        alarm.daemon = True
        alarm.start()
        try:
            yield process
        except Exception as error:
            if over.is_set():
                error.add_note(_why(process, limit))
            raise
        finally:
            alarm.cancel()
            process.kill()
        assert not over.is_set(), _why(process, limit)


def abort(process: "subprocess.Popen[str]") -> None:
    """End a child of Python, also one that stands still; it writes its threads' stacks to its stderr."""
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGABRT)
    try:
        process.wait(DYING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _why(process: "subprocess.Popen[str]", limit: float) -> str:
    """Why a child was ended, and what it had written."""
    lines = [f"{process.args!r} was ended after {limit:g} s"]
    for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
        if pipe is not None and not pipe.closed:
            lines.append(f"its {name}, as far as nobody has read it:\n{pipe.read()}")
    return "\n".join(lines)


def join(thread: threading.Thread, limit: float = LIMIT) -> None:
    """Wait until a thread has ended. AssertionError: not within `limit` seconds; with where it stands."""
    thread.join(limit)
    if thread.is_alive():
        frame = sys._current_frames().get(thread.ident or 0)
        where = "".join(traceback.format_stack(frame)) if frame is not None else ""
        raise AssertionError(f"{thread.name} has not ended within {limit:g} s; it stands here:\n{where}")
