"""The end of a process that can't stop by itself.

It owns that end, and what is said of it. It must never come while a stop still has time: the code that stops
starts it, and cancels it where the process lives on.
"""

import faulthandler
import os
from contextlib import suppress
from threading import Timer

_STDERR = 2


def last_resort(seconds: float) -> Timer:
    """A timer, to be started, after which the process ends with status 1, and with what its threads did on
    stderr. It doesn't keep the process alive; threads that hang at its very end are covered, too.
    """
    timer = Timer(seconds, _end)
    timer.daemon = True
    return timer


def _end() -> None:
    os.set_blocking(_STDERR, False)  # nor may a pipe that nobody reads hold this up
    with suppress(OSError):
        os.write(_STDERR, b"the process did not stop in time, and is ended; this is what its threads did:\n")
        faulthandler.dump_traceback(_STDERR)
    os._exit(1)
