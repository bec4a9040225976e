"""The end of a process that can't stop by itself.

It owns that end, and what is said of it. It must never come while a stop still has time: what stops begins
it, and calls it off where the process lives on.
"""

import faulthandler
import os
from contextlib import suppress
from threading import Lock, Timer

_STDERR = 2


class LastResort:
    """Once begun, it ends the process after `seconds` with status 1, and with what its threads did on stderr.

    It doesn't keep the process alive; threads that hang at its very end are covered, too. For any thread.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = Lock()
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Let the time run, unless it runs already."""
        with self._lock:
            if self._timer is None:
                self._timer = Timer(self.seconds, _end, (self.seconds,))
                self._timer.daemon = True
                self._timer.start()

    def call_off(self) -> None:
        """Let the process live on."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None


def _end(seconds: float) -> None:
    os.set_blocking(_STDERR, False)  # nor may a pipe that nobody reads hold this up
    with suppress(OSError):
        text = f"the process did not stop within {seconds:g} s, and is ended; this is what its threads did:\n"
        os.write(_STDERR, text.encode())
        faulthandler.dump_traceback(_STDERR)
    os._exit(1)
