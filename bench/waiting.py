"""Waiting for a condition, with a limit."""

import time
from collections.abc import Callable


def wait_until(is_true: Callable[[], bool], limit: float, what: str, pause: float = 0.05) -> None:
    """Check every `pause` seconds. SystemExit: the condition did not hold within `limit` seconds."""
    end = time.monotonic() + limit
    while not is_true():
        if time.monotonic() > end:
            raise SystemExit(f"not so after {limit:g} s: {what}")
        time.sleep(pause)
