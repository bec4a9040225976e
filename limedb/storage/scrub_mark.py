"""The place that scrubbing has reached, in a small file beside the data.

It owns the file. It must never fail: a file that can't be read or written, or doesn't match its checksum,
only makes scrubbing read some records twice.
"""

import asyncio
import json
import logging
from pathlib import Path

import xxhash

log = logging.getLogger(__name__)


class ScrubMarkFile:
    """As `scrubber.ScrubMark`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[bytes, int]:
        """As ScrubMark.load."""
        try:
            text, _, check = self._path.read_text().rpartition("\n")
            if check != _check(text):
                raise ValueError("its checksum doesn't match")
            place, ended_ms = json.loads(text)
            return bytes.fromhex(place), int(ended_ms)
        except FileNotFoundError:
            return b"", 0
        except (OSError, ValueError, TypeError) as error:
            log.info("%s can't be read (%s): scrubbing starts from the beginning", self._path, error)
            return b"", 0

    async def save(self, place: bytes, ended_ms: int) -> None:
        """As ScrubMark.save."""
        text = json.dumps([place.hex(), ended_ms])
        try:
            await asyncio.to_thread(_write, self._path, f"{text}\n{_check(text)}")
        except OSError as error:
            log.info("%s can't be written: %s", self._path, error)


def _check(text: str) -> str:
    return xxhash.xxh64_hexdigest(text.encode())


def _write(path: Path, text: str) -> None:
    """Replace the file, without a sync: an older mark after a power cut does no harm."""
    new = path.with_name(path.name + ".new")
    new.touch(0o600)
    new.write_text(text)
    new.replace(path)
