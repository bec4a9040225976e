"""What happened in a simulation, in order.

It owns the events of one run: their hash tells whether two runs were the same, the last of them tell what led
to a failure. An event must never hold an address, a set's order or the real time.
"""

import asyncio
from collections import deque
from hashlib import blake2b

TAIL = 120


class Trace:
    """The events of one run; the last ones are kept."""

    def __init__(self, tail: int = TAIL) -> None:
        self._hash = blake2b(digest_size=8)
        self._tail: deque[str] = deque(maxlen=tail)
        self.count = 0

    def add(self, what: str) -> None:
        """Something happened now."""
        line = f"{asyncio.get_running_loop().time():.6f} {what}"
        self._hash.update(line.encode() + b"\n")
        self._tail.append(line)
        self.count += 1

    @property
    def digest(self) -> str:
        """A hash of all events."""
        return self._hash.hexdigest()

    def tail(self) -> str:
        """The last events, a line each."""
        return "\n".join(self._tail)
