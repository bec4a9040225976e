"""What was acknowledged and doesn't stand in the tables yet.

It owns the newest item of each such key, by whether it is on its way to the tables (frozen) or not (fresh).
It must never touch a disk: the write-ahead log has the same, on disk. The name is the field's: Chang et al.
2006, "Bigtable".
"""

from limedb.storage.lmdb.plan import EncodedRecord, WritePlan


class Memtable:
    """Items by stored key. size: bytes of what was added and isn't in the tables, overwritten items too."""

    def __init__(self) -> None:
        self.fresh: dict[bytes, EncodedRecord] = {}
        self.frozen: dict[bytes, EncodedRecord] = {}
        self._changes = [0, 0]  # of the count of keys with a value: fresh, frozen
        self._sizes = [0, 0]

    @property
    def size(self) -> int:
        """Bytes of all that was added, overwritten items too."""
        return sum(self._sizes)

    @property
    def fresh_size(self) -> int:
        """Bytes of what is fresh."""
        return self._sizes[0]

    def __bool__(self) -> bool:
        return bool(self.fresh or self.frozen)

    def __len__(self) -> int:
        """How many items it holds; a key may have two."""
        return len(self.fresh) + len(self.frozen)

    def get(self, key: bytes) -> EncodedRecord | None:
        """The item of a stored key. One without data says that nothing is stored."""
        item = self.fresh.get(key)
        return self.frozen.get(key) if item is None else item

    def add(self, plan: WritePlan, size: int) -> None:
        """Take in what was acknowledged. size: bytes of its data."""
        self.fresh.update(plan.writes)
        self._changes[0] += plan.live_change
        self._sizes[0] += size

    def freeze(self) -> WritePlan:
        """What is to go to the tables. Until it is melted or thawed it is found here."""
        self.frozen, self.fresh = self.fresh, {}
        self._changes, self._sizes = [0, self._changes[0]], [0, self._sizes[0]]
        return WritePlan(self.frozen, [], self._changes[1])

    def melt(self) -> None:
        """Forget what was frozen: the tables have it."""
        self.frozen = {}
        self._changes[1] = self._sizes[1] = 0

    def thaw(self) -> None:
        """Keep what was frozen: the tables don't have it."""
        self.fresh = {**self.frozen, **self.fresh}
        self._changes, self._sizes = [sum(self._changes), 0], [sum(self._sizes), 0]
        self.frozen = {}
