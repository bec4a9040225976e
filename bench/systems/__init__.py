"""What the benchmark starts: LimeDB, its peers, and bare echoes, as real processes on loopback.

One shape for all of them. A system keeps its folder and its ports from one start to the next, so that each
round finds what the first one stored. It must never measure anything.
"""

from pathlib import Path
from typing import Protocol


class System(Protocol):
    """Something that answers gets and sets. folder: where its data is, on disk."""

    name: str
    folder: Path

    @property
    def address(self) -> str:
        """The host:port that clients ask; known once it has started."""
        ...

    @property
    def pids(self) -> list[int]:
        """Its processes, while it runs."""
        ...

    def missing(self) -> str:
        """Why it can't be started here; empty: it can."""
        ...

    def start(self) -> None:
        """Start it, and wait until it answers requests. SystemExit: it doesn't."""
        ...

    def stop(self) -> None:
        """End its processes. Harmless when it doesn't run."""
        ...
