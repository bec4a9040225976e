"""Processes whose wall clock is off (libfaketime); their monotonic clock is not.

It owns the environment that makes them so.
"""

from pathlib import Path

import pytest

PLACES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


def faketime_env(seconds: float) -> dict[str, str]:
    """What to set for a process whose clock is that far ahead, or behind where it is negative.

    It skips the test where libfaketime (Debian: libfaketime) is missing.
    """
    library = _find()
    if library is None:
        pytest.skip("needs libfaketime (make system-tools)")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{seconds:+g}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "0",
        "DONT_FAKE_MONOTONIC": "1",  # its name in versions before 0.9.9
    }


def faketime_file_env(setting: Path) -> dict[str, str]:
    """What to set for processes whose clocks are off by what a file says (as +60), from now on or later: they
    look at it once a second.
    """
    env = faketime_env(0)
    del env["FAKETIME"]
    return env | {"FAKETIME_TIMESTAMP_FILE": str(setting), "FAKETIME_CACHE_DURATION": "1"}


def _find() -> Path | None:
    return next((path for place in PLACES for path in Path("/").glob(place[1:])), None)
