"""The acknowledged writes that aren't in the tables yet.

It owns the newest bytes of each such key: frozen if it is on its way to the tables, otherwise fresh. It must
never touch a disk: the write-ahead log has the same items on disk. The name comes from Chang et al. 2006,
"Bigtable".

Tested in tests/storage/test_checkpoints.py.
"""

from limedb.storage.lmdb.plan import WritePlan


class Memtable:
    """Stored bytes by stored key, or what `plan.gone` gives for one that is purged. size: bytes of all added
    items that aren't in the tables, including overwritten ones.
    """

    def __init__(self) -> None:
        self.fresh: dict[bytes, bytes] = {}
        self.frozen: dict[bytes, bytes] = {}
        self._high_water = 0
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

    def get(self, key: bytes) -> bytes | None:
        """The bytes of a stored key; `plan.gone`: nothing is stored; None: the tables know."""
        return self.fresh.get(key) or self.frozen.get(key)

    def add(self, plan: WritePlan, size: int) -> None:
        """Add acknowledged writes. size: bytes of their data."""
        self.fresh.update(plan.writes)
        self._high_water = max(self._high_water, plan.high_water)
        self._changes[0] += plan.live_change
        self._sizes[0] += size

    def freeze(self) -> WritePlan:
        """Freeze the fresh items and return them as a plan for the tables. `get` finds them until `melt` or
        `thaw`.
        """
        self.frozen, self.fresh = self.fresh, {}
        self._changes, self._sizes = [0, self._changes[0]], [0, self._sizes[0]]
        return WritePlan(self.frozen, [], self._changes[1], self._high_water)

    def melt(self) -> None:
        """Forget the frozen items: the tables have them."""
        self.frozen = {}
        self._changes[1] = self._sizes[1] = 0

    def thaw(self) -> None:
        """Make the frozen items fresh again: the tables don't have them."""
        self.fresh = {**self.frozen, **self.fresh}
        self._changes, self._sizes = [sum(self._changes), 0], [sum(self._sizes), 0]
        self.frozen = {}
