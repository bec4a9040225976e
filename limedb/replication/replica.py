"""This node's own replica: the one write door.

It owns the way to the store: client writes, and whatever later comes from peers, reach it through
`LocalReplica.apply` and nothing else. It must never route.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from limedb.core.record import Record, value_size
from limedb.errors import ResponseTooLargeError
from limedb.ports import Applied, Clock, Store

READ_CHUNK = 64
"""Keys that are read at once, so that a batch of large values is refused before it fills the memory."""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A page of a node's own keys. page: from 1; total: keys that the node holds."""

    records: list[Record]
    total: int
    page: int
    page_size: int

    @property
    def total_pages(self) -> int:
        """How many pages there are."""
        return -(-self.total // self.page_size)


class LocalReplica:
    """A node's replica on its own store.

    max_read_size: the most bytes of values that one read returns.
    """

    def __init__(self, store: Store, clock: Clock, max_read_size: int) -> None:
        self._store, self._clock = store, clock
        self._max_read_size = max_read_size

    async def read(self, keys: Sequence[str], deadline: float) -> list[Record | None]:
        """See ports.Replica; ResponseTooLargeError: the values together are over the limit."""
        if len(keys) == 1:
            return [await self._store.get(keys[0])]
        records: list[Record | None] = []
        size = 0
        for start in range(0, len(keys), READ_CHUNK):
            chunk = await self._store.get_many(keys[start : start + READ_CHUNK])
            size = self._checked_size(size, chunk)
            records += chunk
        return records

    async def apply(self, records: Sequence[Record], deadline: float) -> list[Applied]:
        """See ports.Replica. At the deadline gRPC ends the call; the write is done all the same."""
        return await self._store.apply(records, self._clock.wall_ms())

    async def list_keys(self, page: int, page_size: int, after: str | None) -> KeyPage:
        """A page of live keys in the order of their UTF-8; `after` a key, or by its number from 1."""
        skip = 0 if after is not None else (page - 1) * page_size
        total = self._store.count()
        records = (
            await self._store.scan_keys(after, page_size, self._clock.wall_ms(), skip) if skip < total else []
        )
        self._checked_size(0, records)
        return KeyPage(records, total, page, page_size)

    def _checked_size(self, size: int, records: Sequence[Record | None]) -> int:
        size += sum(value_size(r.value) for r in records if r is not None and r.value is not None)
        if size > self._max_read_size:
            raise ResponseTooLargeError(size, self._max_read_size, "ask for fewer keys at once")
        return size
