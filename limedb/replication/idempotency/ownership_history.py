"""How far back a replica knows operations: what it forgot, and which nodes were the owners meanwhile.

It owns the account of the topologies of the last minutes. It must never learn one by itself: the replica
reports each.

A replica that knows nothing of an operation may answer so only where it would know: where it was an owner,
with its memory, before the operation began, and so were those that it might have been agreed with. Else a
retry could be agreed anew by owners that never heard of the first attempt.

Tested in tests/replication/idempotency/test_proposer.py.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

from limedb.core.idempotency import MARGIN_MS, MAX_AGE_MS, OwnershipEpoch, WriteId, settled_since
from limedb.core.layout import Layout
from limedb.core.topology import Phase, Topology
from limedb.ports import OperationLog, Placement


class _Learned(NamedTuple):
    at_ms: int
    layout: Layout


class OwnershipHistory:
    """The topologies that a replica has worked under. now_ms: the cluster's time."""

    def __init__(self, placement: Placement, log: OperationLog, now_ms: Callable[[], int]) -> None:
        self._placement, self._log, self._now_ms = placement, log, now_ms
        topology = placement.layout.topology
        noted = log.noted(topology.fence)
        self._since = now_ms() if noted is None else noted
        self._learned = [_Learned(self._since, placement.layout)]

    def follow(self, before: Topology, after: Topology) -> None:
        """Take in that the topology has changed; to be called when the placement has it."""
        now = self._now_ms()
        if before.is_fresh:
            self._since = 0 if after.epoch == 1 else now  # a founder: before, there was nothing to agree on
            self._learned.clear()
        self._learned.append(_Learned(now, self._placement.layout))
        self._drop_old(now)
        self._log.note(after.fence, self._since if before.is_fresh else now)

    def can_tell(self, operation: WriteId) -> bool:
        """Whether the replica would know the operation, had it been agreed on without it."""
        began = operation.began_ms
        if began < max(self._log.forgotten_ms, self._now_ms() - MAX_AGE_MS):
            return False
        return began - MARGIN_MS >= max(self._since, self._settled_since(operation.token))

    def _settled_since(self, token: int) -> int:
        if len(self._learned) == 1:
            return 0
        return settled_since(
            OwnershipEpoch(
                layout.topology.epoch, layout.topology.phase is Phase.STREAMING, at_ms, layout.of(token)
            )
            for at_ms, layout in self._learned
        )

    def _drop_old(self, now: int) -> None:
        """Keep what was in force within the age of an operation: of the older ones, the newest."""
        oldest = now - MAX_AGE_MS - MARGIN_MS
        superseded = bisect_left([learned.at_ms for learned in self._learned[1:]], oldest)
        del self._learned[:superseded]
