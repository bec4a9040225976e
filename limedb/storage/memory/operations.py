"""The operations that a replica remembers, in memory.

It owns the states of a node whose data is also in memory. It must never judge a proposal:
`core/idempotency.py` does.

Tested in tests/storage/lmdb/test_operations.py.
"""

from collections.abc import Sequence

from typing_extensions import override

from limedb.core.idempotency import MAX_AGE_MS, Proposal, State, transition
from limedb.core.paxos import Acceptor
from limedb.core.promises import Promises
from limedb.core.topology import Fence
from limedb.ports import OperationLog

KEPT_MS = MAX_AGE_MS + 60_000
"""How long an operation is remembered after its beginning; a little longer than replicas ask for it."""
MAX_OPERATIONS = 1_000_000
"""The most operations that are remembered; beyond that the oldest are forgotten."""
_SHARE_MS = 1 << 14


class MemoryOperations(OperationLog):
    """As ports.OperationLog. Operations are kept in shares of 16 seconds, which are forgotten as a whole."""

    def __init__(self, max_operations: int = MAX_OPERATIONS) -> None:
        self._shares: dict[int, dict[bytes, State]] = {}
        self._max, self._count = max_operations, 0
        self.forgotten_ms = 0
        self.promises = Promises()
        self.has_floor = True
        self.is_new = False  # its data is lost with it, so there is never more of that

    @override
    async def keep(self, keys: Sequence[str]) -> None:
        """As OperationLog.keep: nothing outlives the process."""

    @override
    def keep_soon(self, keys: Sequence[str]) -> None:
        pass

    @override
    def keep_floor(self) -> None:
        self.has_floor = True

    @override
    def noted(self, fence: Fence) -> int | None:
        """As OperationLog.noted: nothing outlives the process."""
        return None

    @override
    def note(self, fence: Fence, since_ms: int) -> None:
        pass

    @override
    async def move(self, proposals: Sequence[Proposal], now_ms: int) -> list[State]:
        states = [self._move(proposal) for proposal in proposals]
        self._forget(now_ms)
        return states

    @override
    async def close(self) -> None:
        pass

    def _move(self, proposal: Proposal) -> State:
        operation = proposal.operation
        share = self._shares.setdefault(operation.began_ms // _SHARE_MS, {})
        before = share.get(operation.id)
        self._count += before is None
        state = share[operation.id] = transition(before or Acceptor(), proposal)
        return state

    def _forget(self, now_ms: int) -> None:
        while self._shares and (self._count > self._max or self._end() <= now_ms - KEPT_MS):
            self.forgotten_ms = max(self.forgotten_ms, self._end())
            self._count -= len(self._shares.pop(min(self._shares)))

    def _end(self) -> int:
        return (min(self._shares) + 1) * _SHARE_MS
