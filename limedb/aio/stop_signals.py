"""The signals that ask a process to stop, heard whatever the event loop is doing.

It owns the thread that waits for them. It must never leave a stop to the loop alone: a loop that hangs, say
in a read from a broken disk, calls no signal handler, and the process would not react.
"""

import signal
from collections.abc import Callable
from threading import Lock, Thread

from limedb.aio.last_resort import LastResort

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Handles SIGTERM and SIGINT from now on. last: begins with the first of them. is_asked: one has come.

    Create it in the main thread before there are others: threads inherit the blocked signals.
    """

    def __init__(self, last: LastResort) -> None:
        self._last, self._lock = last, Lock()
        self.is_asked = False
        self._hear: Callable[[], None] | None = None
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        Thread(target=self._wait, name="limedb-signals", daemon=True).start()

    def subscribe(self, hear: Callable[[], None]) -> None:
        """Call `hear` at each signal, in another thread; at once if one has come before."""
        with self._lock:
            self._hear = hear
        if self.is_asked:
            hear()

    def _wait(self) -> None:
        while True:
            signal.sigwait(_SIGNALS)
            self._last.begin()
            with self._lock:
                self.is_asked, hear = True, self._hear
            if hear is not None:
                hear()
