"""Lines on their way to a stream whose reader may have stopped reading.

It owns the lines until its thread has written them, and the count of those that found no room. It must never
make the code that logs wait: an unread pipe blocks its writer forever.
"""

import os
import select
import time
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import TextIO

MAX_LINES = 10_000
MAX_BYTES = 8 << 20
"""The most lines, and bytes of lines, that wait; further lines are dropped and counted."""
FLUSH_SECONDS = 1.0
"""How long closing waits for a stream that accepts nothing."""


def _dropped_here(count: int) -> str:
    return f"{count} lines were dropped here: this log was not read fast enough"


class LogQueue:
    """Writes lines to a stream, in order. gap: the line that stands for so many dropped ones."""

    def __init__(
        self,
        stream: TextIO,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
        gap: Callable[[int], str] = _dropped_here,
    ) -> None:
        self._gap = gap
        self._stream, self._max_lines, self._max_bytes = stream, max_lines, max_bytes
        self._descriptor = _descriptor_of(stream)
        self._lines: deque[str] = deque()
        self._size = self._dropped = 0
        self._is_writing = self._is_closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="limedb-log-lines", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many lines wait, without those being written."""
        return len(self._lines)

    def put(self, line: str) -> None:
        """Queue a line. It never waits: if there is no room, the line is dropped and counted."""
        with self._changed:
            if len(self._lines) >= self._max_lines or self._size + len(line) > self._max_bytes:
                self._dropped += 1
                return
            self._lines.append(line)
            self._size += len(line)
            self._changed.notify_all()

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all lines are written, for at most some seconds; whether they are."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._lines or self._is_writing:
                if (left := end - time.monotonic()) <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write the waiting lines, for at most some seconds, and let the thread end."""
        self.flush(seconds)
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while (text := self._take()) is not None:
            self._write(text)
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()

    def _take(self) -> str | None:
        """All waiting lines, as one text; None: the queue was closed."""
        with self._changed:
            while not self._lines and not self._is_closed:
                self._changed.wait()
            if not self._lines:
                return None
            lines, self._lines, self._size = self._lines, deque(), 0
            if self._dropped:
                lines.append(self._gap(self._dropped))
                self._dropped = 0
            self._is_writing = True
        return "\n".join(lines) + "\n"

    def _write(self, text: str) -> None:
        try:
            if self._descriptor is None:
                self._stream.write(text)
            else:
                _write_whole(self._descriptor, text.encode(errors="backslashreplace"))
        except (OSError, ValueError):  # the stream is gone, and there is nowhere to report that
            return


def _descriptor_of(stream: TextIO) -> int | None:
    """The descriptor of a stream; None: it is in memory. Writing to the descriptor avoids the stream's lock:
    a thread that hangs would hold it, and the interpreter takes it at its exit.
    """
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # another process that shares the terminal or pipe has set O_NONBLOCK
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
