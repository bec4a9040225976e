"""The last time that a node had, in a small file beside its data.

It owns the file. It must never fail: a file that can't be read or written, or doesn't match its checksum,
only matters if the clock is set back while the node is stopped.
"""

import asyncio
import json
import logging
from pathlib import Path

import xxhash

from limedb.ports import SeenTime
from limedb.storage.files import replace_durably

log = logging.getLogger(__name__)


class TimeMarkFile:
    """As `ports.TimeMark`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> SeenTime:
        """As TimeMark.load."""
        try:
            text, _, check = self._path.read_text().rpartition("\n")
            if check != _check(text):
                raise ValueError("its checksum doesn't match")
            ms, slack_ms = json.loads(text)
            return SeenTime(int(ms), int(slack_ms))
        except FileNotFoundError:
            return SeenTime(0, 0)
        except (OSError, ValueError, TypeError) as error:
            log.warning(
                "%s can't be read (%s): if the clock was set back since the last run, expired values may be"
                " there again", self._path, error,
            )  # fmt: skip
            return SeenTime(0, 0)

    async def save(self, seen: SeenTime) -> None:
        """As TimeMark.save."""
        text = json.dumps(seen)
        try:
            await asyncio.to_thread(replace_durably, self._path, f"{text}\n{_check(text)}".encode())
        except OSError as error:
            log.info("%s can't be written: %s", self._path, error)


def _check(text: str) -> str:
    return xxhash.xxh64_hexdigest(text.encode())
