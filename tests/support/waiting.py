"""Waiting for a condition, with a limit."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    what: str, look: Callable[[], T], limit: float = 60.0, ignore: type[Exception] | None = None
) -> T:
    """Look again and again until what comes is true; return it. AssertionError: not within the limit (s)."""
    end = time.monotonic() + limit
    last: object = None
    while time.monotonic() < end:
        try:
            last = found = look()
        except Exception as error:
            if ignore is None or not isinstance(error, ignore):
                raise
            last = error
        else:
            if found:
                return found
        time.sleep(0.02)  # between two looks; what is waited for is the condition
    raise AssertionError(f"{what}: not within {limit} s; last seen: {last!r}")
