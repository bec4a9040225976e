"""The logs of a local cluster's processes, as they are read.

It owns the choice of the files and how they are followed. It must never change one.

Tested in tests/launch/test_logs.py.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from limedb.errors import LaunchError
from limedb.launch.records import Folder

LOOK_SECONDS = 0.1
"""The time between two looks at a file that is followed."""
_TAIL_BYTES = 1 << 20
"""How much of a file's end is read for its last lines."""
_MOST_BYTES = 1 << 20
"""How much is read of a file at a time."""


def find_logs(folder: Folder, names: Sequence[str]) -> dict[str, Path]:
    """Return the logs of services, or of all; they outlive the processes. LaunchError: there is none."""
    known = {path.stem: path for path in sorted(folder.path.glob("*.log"))}
    if not known:
        raise LaunchError(f"there are no logs in {folder.path}: no cluster was started there")
    for name in names:
        if name not in known:
            raise LaunchError(f"there is no log of {name} in {folder.path}, but of {', '.join(known)}")
    return {name: known[name] for name in dict.fromkeys(names or known)}


class LogTail:
    """A log from its last lines on. lines: how many of them."""

    def __init__(self, path: Path, lines: int) -> None:
        self._path, self._rest = path, b""
        size = path.stat().st_size
        with path.open("rb") as log:
            log.seek(max(0, size - _TAIL_BYTES))
            end = log.read(min(size, _TAIL_BYTES))
        last = end.splitlines(keepends=True)[-lines:] if lines else []
        self._place = size - len(b"".join(last))

    def read(self) -> list[str]:
        """Return the whole lines that came since the last call."""
        with self._path.open("rb") as log:
            log.seek(self._place)
            fresh = log.read(_MOST_BYTES)
        self._place += len(fresh)
        *whole, self._rest = (self._rest + fresh).split(b"\n")
        return [line.decode(errors="replace") for line in whole]

    def rest(self) -> list[str]:
        """Return all lines up to the end, and a last one that isn't whole yet."""
        found = []
        while lines := self.read():
            found += lines
        return [*found, self._rest.decode(errors="replace")] if self._rest else found


def follow(tails: dict[str, LogTail]) -> Iterator[tuple[str, str]]:
    """Yield lines with the names of their logs, forever."""
    while True:
        found = [(name, line) for name, tail in tails.items() for line in tail.read()]
        yield from found
        if not found:
            time.sleep(LOOK_SECONDS)
