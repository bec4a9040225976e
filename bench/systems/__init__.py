"""The systems of the benchmark: LimeDB, its peers, and bare echoes, as real processes on loopback.

All have one shape. A system keeps its folder and its ports from one start to the next, so that each round
finds the keys of the first one. It must never measure anything.
"""

from pathlib import Path
from typing import Protocol


class System(Protocol):
    """Something that answers gets and sets. folder: where its data is, on disk."""

    name: str
    folder: Path

    @property
    def address(self) -> str:
        """The host:port that clients call; known once it has started."""
        ...

    @property
    def pids(self) -> list[int]:
        """Its processes, while it runs."""
        ...

    def missing(self) -> str:
        """Why it can't be started here; empty: it can."""
        ...

    def start(self) -> None:
        """Start it, and wait until it answers requests. SystemExit: it does not."""
        ...

    def stop(self) -> None:
        """Stop its processes. Harmless if it doesn't run."""
        ...
