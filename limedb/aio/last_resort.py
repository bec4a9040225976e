"""Ends a process that can't stop by itself.

It owns that exit and the message about it. It must never act while a stop still has time: the code that stops
the process starts the countdown, and calls it off if the process should continue.
"""

import faulthandler
import os
from contextlib import suppress
from threading import Lock, Timer

_STDERR = 2


class LastResort:
    """Once begun, it ends the process after `seconds` with status 1, and writes the stacks of its threads to
    stderr.

    It doesn't keep the process alive, and also covers threads that hang at interpreter exit. Any thread may
    use it.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = Lock()
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Start the countdown, unless it runs already."""
        with self._lock:
            if self._timer is None:
                self._timer = Timer(self.seconds, _end, (self.seconds,))
                self._timer.daemon = True
                self._timer.start()

    def call_off(self) -> None:
        """Let the process continue."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None


def _end(seconds: float) -> None:
    os.set_blocking(_STDERR, False)  # an unread pipe must not delay this either
    with suppress(OSError):
        text = f"the process did not stop within {seconds:g} s and is being ended; its threads were here:\n"
        os.write(_STDERR, text.encode())
        faulthandler.dump_traceback(_STDERR)
    os._exit(1)
