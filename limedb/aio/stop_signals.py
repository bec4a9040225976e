"""The signals that ask a process to stop, heard whatever its event loop does.

It owns the thread that waits for them. It must never leave a stop to the loop alone: a loop that stands
still, in a read from a disk that hangs, calls no signal handler, and the process would take no notice.
"""

import signal
from collections.abc import Callable
from threading import Lock, Thread

from limedb.aio.last_resort import LastResort

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Hears SIGTERM and SIGINT from now on. last: begins with the first of them. is_asked: one has come.

    Make it in the main thread before there are others: threads inherit that these signals are blocked.
    """

    def __init__(self, last: LastResort) -> None:
        self._last, self._lock = last, Lock()
        self.is_asked = False
        self._hear: Callable[[], None] | None = None
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        Thread(target=self._wait, name="limedb-signals", daemon=True).start()

    def tell(self, hear: Callable[[], None]) -> None:
        """Call `hear` at each signal, in another thread; at once, where one has come before."""
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
