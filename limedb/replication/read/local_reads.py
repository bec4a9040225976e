"""Keys that this node alone owns, read at once from its own store, in the form in which they are stored.

It decides whether such a read is possible. It must never decide the answer to a client: if it isn't possible,
the coordinator reads.
"""

from collections.abc import Sequence

from limedb.errors import RecordDamagedError
from limedb.ports import Placement, Store, StoredBytes
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.read.resolver import sole_owner
from limedb.replication.replica import LocalReplica


class LocalReads:
    """Reads from the node's own store, at once. A sole owner's answer is that of every level.

    now_ms: the cluster's time, by which values expire; milliseconds since 1970.
    """

    def __init__(
        self, own_url: str, store: Store, own: LocalReplica, placement: Placement, skew: ClockSkewGuard
    ) -> None:
        self._own_url, self._own, self._placement = own_url, own, placement
        self._bytes = store if isinstance(store, StoredBytes) else None
        self.now_ms = skew.now_ms

    def get(self, key: str) -> bytes | None:
        """The stored bytes of a key, empty where nothing is stored; None: ask the coordinator.
        NotMemberError: there is no cluster yet; RecordDamagedError.
        """
        if self._bytes is None or sole_owner(self._placement.layout, (key,)) != self._own_url:
            return None
        return self._bytes.stored_at(key) or b""

    def get_many(self, keys: Sequence[str]) -> list[bytes | RecordDamagedError | None] | None:
        """The stored bytes of keys, in their order; None: ask the coordinator. Errors of
        LocalReplica.read_stored.
        """
        layout = self._placement.layout
        if sole_owner(layout, keys) != self._own_url:
            return None
        return self._own.read_stored(keys, layout.topology.fence)
