"""Merges the pages that several nodes return of a range of keys into the one valid record of each key.

It owns the k-way merge: how far all nodes were read, and which nodes' records count. It must never ask a
node.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence, Set
from functools import reduce

from limedb.core.key_range import KeyRange, behind
from limedb.core.record import Record, merge


class _Source:
    """Records that were read from one node and not taken yet. start: where its next page begins."""

    __slots__ = ("is_end", "records", "start")

    def __init__(self, start: str) -> None:
        self.start, self.is_end = start, False
        self.records: list[Record] = []

    def take(self, last: str | None) -> list[Record]:
        """Remove and return the records up to a key; None: all."""
        cut = len(self.records) if last is None else bisect_right(self.records, last, key=lambda r: r.key)
        taken, self.records = self.records[:cut], self.records[cut:]
        return taken


class RangeMerge:
    """The merge of a range over nodes. It holds at most a page of each node.

    owners_of: the nodes whose records of a key count; those of others may be old.
    """

    def __init__(
        self, keys: KeyRange, nodes: Iterable[str], owners_of: Callable[[str], Collection[str]]
    ) -> None:
        self._sources = {node: _Source(keys.start) for node in nodes}
        self._owners_of = owners_of
        self.start = keys.start  # from here on nothing was taken

    @property
    def nodes(self) -> Set[str]:
        """The nodes that are read."""
        return self._sources.keys()

    @property
    def needs_page(self) -> dict[str, str]:
        """The nodes whose next page must arrive before more can be taken, and where that page begins."""
        return {
            node: source.start
            for node, source in self._sources.items()
            if not source.is_end and not source.records
        }

    @property
    def is_done(self) -> bool:
        """Whether all was taken."""
        return all(source.is_end and not source.records for source in self._sources.values())

    def feed(self, node: str, records: Sequence[Record], is_end: bool) -> None:
        """Add a node's next page: records in the order of their keys. is_end: nothing comes after it."""
        source = self._sources[node]
        source.records, source.is_end = list(records), is_end
        if records:
            source.start = behind(records[-1].key)

    def drop(self, node: str) -> None:
        """Continue without a node; records read from it and not taken yet no longer count."""
        del self._sources[node]

    def take(self) -> list[Record]:
        """The valid record of each key as far as every node was read, in order, tombstones included."""
        if self.needs_page:
            return []
        open_ends = [source.records[-1].key for source in self._sources.values() if not source.is_end]
        last = min(open_ends, default=None)
        held: dict[str, dict[str, Record]] = {}
        for node, source in self._sources.items():
            for taken in source.take(last):
                held.setdefault(taken.key, {})[node] = taken
        if last is not None:
            self.start = behind(last)
        return [record for key in sorted(held) if (record := self._standing(key, held[key])) is not None]

    def _standing(self, key: str, held: dict[str, Record]) -> Record | None:
        owners = self._owners_of(key)
        counted = [record for node, record in held.items() if node in owners]
        return reduce(merge, counted) if counted else None
