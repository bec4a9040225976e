"""The clients of the benchmark: one shape for all systems.

A client sends batches in the system's own way (BatchGet, Txn, pipeline), or single operations through the
library of its users. Loops and clocks are in loops.py.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Client(Protocol):
    """An open connection. Keys and values are text; answers are the values as text or as UTF-8."""

    async def get(self, keys: Sequence[str]) -> Sequence[str | bytes | None]:
        """Return the values of the keys, in their order; None: there is none."""
        ...

    async def set(self, values: Mapping[str, str]) -> None:
        """Store all. It raises if one was not stored."""
        ...

    async def close(self) -> None: ...


class Opener(Protocol):
    """Opens a client to a system. callers: how many will use it at once."""

    async def __call__(self, address: str, callers: int) -> Client: ...
