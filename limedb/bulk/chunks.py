"""The lines of a file in chunks, read by a separate thread.

It owns how many lines make a chunk. It must never hold more than one chunk that nobody has taken.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator

from limedb.bulk.items import Item, Line

BATCH = 500
"""Lines of a chunk, at most."""
BATCH_BYTES = 1 << 20
IDLE_SECONDS = 0.25
"""A chunk is taken as it is after this time, so that lines from an idle pipe need not wait for more.
"""


class Chunks:
    """Reads lines."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines, self._lock = lines, threading.Lock()
        self._chunk: list[Line] = []

    async def read(self) -> AsyncGenerator[list[Line], None]:
        """Yield the chunks, with an empty one now and then while nothing comes. BulkError: the file can't be
        read any further.

        After the caller leaves the loop, the thread continues until it has a chunk.
        """
        more = True
        while more:
            reading = asyncio.ensure_future(asyncio.to_thread(self._read_one))
            while not reading.done():
                await asyncio.wait((reading,), timeout=IDLE_SECONDS)
                yield self._taken()
            if left := self._taken():  # the thread read it while nobody waited
                yield left
            more = reading.result()

    def _read_one(self) -> bool:
        """Read a chunk; return whether there may be more."""
        count = size = 0
        while count < BATCH and size < BATCH_BYTES:
            line = next(self._lines, None)
            if line is None:
                return False
            with self._lock:
                self._chunk.append(line)
            count += 1
            size += len(line.content.value) if isinstance(line.content, Item) else 0
        return True

    def _taken(self) -> list[Line]:
        with self._lock:
            chunk, self._chunk = self._chunk, []
        return chunk
