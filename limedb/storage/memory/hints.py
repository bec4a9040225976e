"""Hints in memory: lost at a restart, like the data of the memory store.

It owns its dicts. It must never touch a disk.

Tested in tests/storage/test_hint_logs.py.
"""

from collections.abc import Sequence
from itertools import islice, takewhile

from typing_extensions import override

from limedb.core.record import Record, value_size
from limedb.ports import HintLog

DEFAULT_LIMIT_BYTES = 64 << 20
"""Bytes of hints for one node. More room covers longer outages; writes beyond it wait for repair."""
OVERHEAD_BYTES = 100
"""Bytes that a hint counts for, besides key and value."""


class MemoryHints(HintLog):
    """Records by the node that missed them (`ports.HintLog`); of each key the newest only.

    limit: bytes for one node.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT_BYTES) -> None:
        self._limit = limit
        self._kept: dict[str, dict[str, tuple[int, Record]]] = {}
        self._sizes: dict[str, int] = {}
        self._losses = 0

    @override
    def add(self, node_url: str, records: Sequence[Record], now_ms: int) -> bool:
        is_kept = sum(self._add(node_url, record, now_ms) for record in records) == len(records)
        self._losses += not is_kept
        return is_kept

    @override
    async def oldest(self, node_url: str, limit: int, oldest_ms: int) -> list[Record]:
        kept = self._kept.get(node_url, {})
        for key in [*takewhile(lambda key: kept[key][0] < oldest_ms, kept)]:
            self._drop(node_url, key)
            self._losses += 1
        return [record for _, record in islice(kept.values(), limit)]

    @override
    async def done(self, node_url: str, records: Sequence[Record]) -> None:
        for record in records:
            hint = self._kept.get(node_url, {}).get(record.key)
            if hint is not None and hint[1] == record:
                self._drop(node_url, record.key)

    @override
    async def forget(self, node_url: str) -> None:
        self._kept.pop(node_url, None)
        self._sizes.pop(node_url, None)

    @property
    @override
    def trouble(self) -> str:
        """As HintLog.trouble: none."""
        return ""

    @property
    @override
    def losses(self) -> int:
        return self._losses

    @override
    def look(self) -> None:
        """As HintLog.look: there is no file."""

    @override
    def waiting(self) -> dict[str, int]:
        return dict(self._sizes)

    @override
    async def close(self) -> None:
        """As HintLog.close: the hints are gone."""
        self._kept.clear()
        self._sizes.clear()

    def _add(self, node_url: str, record: Record, now_ms: int) -> bool:
        old = self._kept.get(node_url, {}).get(record.key)
        if old is not None and old[1].version > record.version:
            return True
        size = self._sizes.get(node_url, 0) + _size(record) - (0 if old is None else _size(old[1]))
        if size > self._limit:
            return False
        kept = self._kept.setdefault(node_url, {})
        kept.pop(record.key, None)  # to the end: hints are in the order of time
        kept[record.key] = (now_ms, record)
        self._sizes[node_url] = size
        return True

    def _drop(self, node_url: str, key: str) -> None:
        _, record = self._kept[node_url].pop(key)
        self._sizes[node_url] -= _size(record)
        if not self._kept[node_url]:
            del self._kept[node_url], self._sizes[node_url]


def _size(record: Record) -> int:
    return OVERHEAD_BYTES + value_size(record.key) + (0 if record.value is None else value_size(record.value))
