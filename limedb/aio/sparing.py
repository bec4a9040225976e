"""Log lines that may come in great numbers, all alike.

It owns the count of lines left out, and reports it. It must never suppress the first line of a kind.
"""

import logging
import time
from collections.abc import Callable

SECONDS = 30.0
MAX_KINDS = 1000
"""Kinds that are remembered; beyond that the oldest is forgotten, so that kinds that contain names don't fill
memory.
"""


class Sparing:
    """Lets one line of each kind pass every so many seconds, with the number of lines left out since the
    last.
    """

    def __init__(
        self, logger: logging.Logger, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger, self._seconds, self._clock = logger, seconds, clock
        self._kinds: dict[str, tuple[float, int]] = {}  # when the next may pass; how many were left out

    def log(
        self, kind: str, level: int, text: str, *arguments: object, error: BaseException | None = None
    ) -> None:
        """Log a line, unless one of its kind was logged just now. error: its traceback is logged too."""
        due, left_out = self._kinds.pop(kind, (0.0, 0))
        now = self._clock()
        if due and now < due:
            self._kinds[kind] = due, left_out + 1
            return
        if left_out:
            text, arguments = text + " (and %d more times since this was last logged)", (*arguments, left_out)
        self._kinds[kind] = now + self._seconds, 0
        if len(self._kinds) > MAX_KINDS:
            del self._kinds[next(iter(self._kinds))]
        self._logger.log(level, text, *arguments, exc_info=error)
