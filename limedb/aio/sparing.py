"""Log lines of which many alike may come at once.

It owns what was left out, and says how much that was. It must never keep back the first line of a kind.
"""

import logging
import time
from collections.abc import Callable

SECONDS = 30.0
MAX_KINDS = 1000
"""Kinds that are remembered; then the oldest is forgotten, so that kinds which hold names cost no memory."""


class Sparing:
    """Lets one line of each kind pass in so many seconds, with the number of those left out since."""

    def __init__(
        self, logger: logging.Logger, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger, self._seconds, self._clock = logger, seconds, clock
        self._kinds: dict[str, tuple[float, int]] = {}  # when the next may pass; how many were left out

    def log(
        self, kind: str, level: int, text: str, *arguments: object, error: BaseException | None = None
    ) -> None:
        """Log a line, unless one of its kind was logged just now. error: whose traceback goes with it."""
        due, left_out = self._kinds.pop(kind, (0.0, 0))
        now = self._clock()
        if due and now < due:
            self._kinds[kind] = due, left_out + 1
            return
        if left_out:
            text, arguments = text + " (and %d times since this was logged last)", (*arguments, left_out)
        self._kinds[kind] = now + self._seconds, 0
        if len(self._kinds) > MAX_KINDS:
            del self._kinds[next(iter(self._kinds))]
        self._logger.log(level, text, *arguments, exc_info=error)
