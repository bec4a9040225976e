"""The acknowledged writes that aren't in the tables yet.

It owns the newest item of each such key: frozen if it is on its way to the tables, otherwise fresh. It must
never touch a disk: the write-ahead log has the same items on disk. The name comes from Chang et al. 2006,
"Bigtable".

Tested in tests/storage/test_checkpoints.py.
"""

from limedb.storage.lmdb.plan import EncodedRecord, WritePlan


class Memtable:
    """Items by stored key. size: bytes of all added items that aren't in the tables, including overwritten
    ones.
    """

    def __init__(self) -> None:
        self.fresh: dict[bytes, EncodedRecord] = {}
        self.frozen: dict[bytes, EncodedRecord] = {}
        self._changes = [0, 0]  # of the count of keys with a value: fresh, frozen
        self._sizes = [0, 0]

    @property
    def size(self) -> int:
        """Bytes of all items, including overwritten ones."""
        return sum(self._sizes)

    @property
    def fresh_size(self) -> int:
        """Bytes of the fresh items."""
        return self._sizes[0]

    def __bool__(self) -> bool:
        return bool(self.fresh or self.frozen)

    def __len__(self) -> int:
        """How many items it holds; a key may have two."""
        return len(self.fresh) + len(self.frozen)

    def get(self, key: bytes) -> EncodedRecord | None:
        """The item of a stored key. One without data means that nothing is stored."""
        item = self.fresh.get(key)
        return self.frozen.get(key) if item is None else item

    def add(self, plan: WritePlan, size: int) -> None:
        """Add acknowledged writes. size: bytes of their data."""
        self.fresh.update(plan.writes)
        self._changes[0] += plan.live_change
        self._sizes[0] += size

    def freeze(self) -> WritePlan:
        """Freeze the fresh items and return them as a plan for the tables. `get` finds them until `melt` or
        `thaw`.
        """
        self.frozen, self.fresh = self.fresh, {}
        self._changes, self._sizes = [0, self._changes[0]], [0, self._sizes[0]]
        return WritePlan(self.frozen, [], self._changes[1])

    def melt(self) -> None:
        """Forget the frozen items: the tables have them."""
        self.frozen = {}
        self._changes[1] = self._sizes[1] = 0

    def thaw(self) -> None:
        """Make the frozen items fresh again: the tables don't have them."""
        self.fresh = {**self.frozen, **self.fresh}
        self._changes, self._sizes = [sum(self._changes), 0], [sum(self._sizes), 0]
        self.frozen = {}
