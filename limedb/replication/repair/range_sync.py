"""Makes two replicas equal over some spans, or only one of them complete, exchanging only the differences.

It owns one comparison, which anti-entropy and streaming share. It must never choose whom to compare, and
never remove a record.

Tested in tests/replication/repair/test_anti_entropy.py and tests/replication/streaming/test_transfer.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from limedb.core.damage import check_whole
from limedb.core.digest import compare, cut
from limedb.core.layout import Span
from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.errors import LimeDBError, RemoteError, is_too_large
from limedb.ports import Clock, Held, IndexEntry, KeyPromises, Replica
from limedb.ports.applied_columns import columns_of

BATCH = 1000
"""Records that are read and written at once; fewer where they are large."""
LISTED_LEAVES = 32
"""Leaves of which entries are listed at once: about 3,000 keys, some 100 kB."""
CALL_SECONDS = 10.0
"""How long a replica may take for one message."""
_CUT = 16  # parts of a leaf that holds far more keys than was thought


class Scope(NamedTuple):
    """What all messages of a comparison have in common: the topology that they are made under, and what is
    garbage.
    """

    fence: Fence
    cutoff_ms: int


@dataclass(slots=True)
class SyncResult:
    """What a comparison did. leaves: compared; differing: of them. pulled, pushed: keys that were
    brought here and to the other.
    """

    leaves: int
    differing: int
    pulled: list[str]
    pushed: list[str]


class ReplicaCalls:
    """Messages to replicas within one scope, each with its own deadline, and of sizes that fit.

    refused: keys of which a replica refused a record, since it has promised a conditional write (rule W of
    `core/promises.py`): it still lacks these records.
    """

    def __init__(self, scope: Scope, clock: Clock) -> None:
        self._scope, self._clock = scope, clock
        self.refused: set[str] = set()

    @property
    def cutoff_ms(self) -> int:
        """Records that ended before are garbage."""
        return self._scope.cutoff_ms

    async def digests(self, replica: Replica, spans: Sequence[Span]) -> list[int]:
        """As Replica.digests."""
        fence, cutoff_ms = self._scope
        return await replica.digests(spans, cutoff_ms, fence, self._deadline())

    async def entries(self, replica: Replica, spans: Sequence[Span]) -> list[IndexEntry]:
        """As Replica.entries."""
        return await replica.entries(spans, self._scope.fence, self._deadline())

    async def read(self, replica: Replica, keys: Sequence[str]) -> list[Held]:
        """As Replica.read."""
        return await replica.read(keys, self._scope.fence, self._deadline())

    async def copy(self, source: Replica, target: Replica, keys: Sequence[str]) -> None:
        """Bring a replica the records that another has under some keys. LimeDBError: some may be there."""
        start, size = 0, BATCH
        while start < len(keys):
            batch = keys[start : start + size]
            try:
                found = await self.read(source, batch)
            except LimeDBError as error:
                if not is_too_large(error) or len(batch) == 1:
                    raise
                size = len(batch) // 2
                continue
            await self.apply(target, [record for record in found if isinstance(record, Record)])
            check_whole(found)
            start += len(batch)
            size = min(BATCH, 2 * size)

    async def scan(self, replica: Replica, span: Span, limit: int) -> list[Record]:
        """As Replica.scan."""
        return await replica.scan(span, limit, self._scope.fence, self._deadline())

    async def apply(self, replica: Replica, records: Sequence[Record]) -> None:
        """Bring a replica records that others have; none is no message. LimeDBError: some may be there."""
        if records:
            applied = await replica.apply(records, self._scope.fence, self._deadline(), copied=True)
            outcomes = columns_of(applied)
            for place, newer in outcomes.superseded.items():
                if newer > outcomes.previous[place]:
                    self.refused.add(records[place].key)

    async def promises(self, replica: Replica, spans: Sequence[Span]) -> list[KeyPromises]:
        """As Replica.promises; a node that is too old to promise has none."""
        try:
            return await replica.promises(spans, self._scope.fence, self._deadline())
        except RemoteError as error:
            if error.code == "UNIMPLEMENTED":
                return []
            raise

    def _deadline(self) -> float:
        return self._clock.monotonic() + CALL_SECONDS


async def sync_range(
    own: Replica,
    other: Replica,
    leaves: Sequence[Span],
    own_digests: Sequence[int],
    replica_calls: ReplicaCalls,
    *,
    pushes: bool = True,
) -> SyncResult:
    """Compare leaves whose own digests are known, and bring each side what it lacks. LimeDBError: some of it
    may be there.

    pushes: whether the other side gets anything. own_digests: may be older than writes that came since, of
    which some are then compared in vain; what was taken away since they were made would be missed.
    """
    theirs = await replica_calls.digests(other, leaves)
    differing = [leaf for leaf, a, b in zip(leaves, own_digests, theirs, strict=True) if a != b]
    done = SyncResult(len(leaves), len(differing), [], [])
    for start in range(0, len(differing), LISTED_LEAVES):
        part = differing[start : start + LISTED_LEAVES]
        await _mend(own, other, part, replica_calls, done, pushes=pushes)
    return done


async def _mend(
    own: Replica,
    other: Replica,
    spans: Sequence[Span],
    replica_calls: ReplicaCalls,
    done: SyncResult,
    *,
    pushes: bool,
) -> None:
    try:
        ours, theirs = await replica_calls.entries(own, spans), await replica_calls.entries(other, spans)
    except LimeDBError as error:
        if not is_too_large(error) or spans[0].size == 1:
            raise
        for part in smaller(spans):
            await _mend(own, other, part, replica_calls, done, pushes=pushes)
        return
    difference = compare(ours, theirs, replica_calls.cutoff_ms)
    await replica_calls.copy(other, own, difference.pull)
    done.pulled += difference.pull
    if pushes:
        await replica_calls.copy(own, other, difference.push)
        done.pushed += difference.push


def smaller(spans: Sequence[Span]) -> Iterator[Sequence[Span]]:
    """Spans in two halves, or one span in parts."""
    if len(spans) > 1:
        yield spans[: len(spans) // 2]
        yield spans[len(spans) // 2 :]
    else:
        for part in cut(spans[0], _CUT):
            yield [part]
