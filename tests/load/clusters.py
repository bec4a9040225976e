"""A cluster in a dict, which does to requests what a test wants."""

import asyncio
from collections.abc import Callable

from limedb.errors import LimeDBError

Act = Callable[[str], LimeDBError | None]


class Cluster:
    """A Target. on_read, on_write: what happens to a key just before; an error that comes back is raised.

    applies_failures: a write that fails so is carried out all the same.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.on_read: Act = lambda _key: None
        self.on_write: Act = lambda _key: None
        self.applies_failures = False
        self.reads = self.writes = 0

    async def read(self, key: str) -> str | None:
        self.reads += 1
        await asyncio.sleep(0)
        if (error := self.on_read(key)) is not None:
            raise error
        return self.values.get(key)

    async def write(self, key: str, value: str) -> None:
        self.writes += 1
        await asyncio.sleep(0)
        error = self.on_write(key)
        if error is None or self.applies_failures:
            self.values[key] = value
        if error is not None:
            raise error

    async def add(self, key: str) -> None:
        self.writes += 1
        await asyncio.sleep(0)
        error = self.on_write(key)
        if error is None or self.applies_failures:
            self.values[key] = str(int(self.values[key]) + 1)
        if error is not None:
            raise error

    async def remove(self, key: str) -> None:
        await asyncio.sleep(0)
        self.values.pop(key, None)
