"""How far back a replica knows operations: what it forgot, and which nodes were the owners meanwhile.

It owns the account of the topologies of the last minutes. It must never learn one by itself: the replica
reports each.

A replica that knows nothing of an operation may answer so only where it would know: where it was an owner,
with its memory, before the operation began, and so were those that it might have been agreed with. Else a
retry could be agreed anew by owners that never heard of the first attempt.

A node that has just joined knows nothing from before. It takes part nevertheless where it needn't know: where
the key had one owner before, that owner is the same node still, and nothing is agreed on without it. So a
cluster of one node takes such writes while it gets its second, and so does one with REPLICATION_FACTOR=1
while a key moves. Why it is safe, be A that owner, B the node that joined last, and an earlier agreement made
in epoch e:

1. e is that of A alone, or a later one up to B's joining: A was in each quorum, and is in this one.
2. e is later: B remembers all since it joined, and so do the others. As ever A, which was there, answers only
   if the quorums of e intersect the newest ones.
3. e is earlier: A answers only if the quorums of e had to contain it. It compares them not only with the
   newest owners, but also with itself as the only one (`settled_since`).

So some node that agreed in e is asked again, and remembers or refuses. If A is replaced by another node, B
refuses. Later, once agreements are possible without A, B answers for nothing from before it joined.

All times here are those of the clients' clocks, as the beginnings of operations are. They step back only if
the clocks are set back by more than MAX_AGE_MS and MARGIN_MS (`ClockSkewGuard.clients_ms`). A time that was
noted by the fast clock would then refuse operations for as long as that was ahead. So the replica replaces it
by the present one (`_follow_clock`). That is sound for all that begins from now on, for it began after the
noted event, too. Operations from before the step have times of the fast clock. As long as such an operation
may be tried again, its beginning lies in the future, by more than coordinators believe (`proposer.py`); and
what was on its way through the step lies so far ahead that replicas answer nothing (AHEAD_MS).

A replica also serves requests of epochs that it has not heard of yet. It then judges by every group of owners
that may decide in such an epoch: a change that it knows to run may be finished by then, or cancelled. If it
may have missed more than one change, it answers nothing.

Tested in tests/replication/idempotency/test_changing_owners.py and
tests/replication/idempotency/test_ownership_history.py.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from limedb.core.idempotency import (
    EPOCHS_A_CHANGE,
    MARGIN_MS,
    MAX_AGE_MS,
    OwnershipEpoch,
    WriteId,
    is_in_every_quorum,
    settled_since,
    sole_owner,
    with_missed,
)
from limedb.core.layout import Layout, Owners
from limedb.core.topology import Phase, Topology
from limedb.ports import OperationLog, Placement

AHEAD_MS = MAX_AGE_MS // 2
"""An operation that begins so many milliseconds later is one from before the clocks were set back. A call is
on its way for less.
"""


class _Learned(NamedTuple):
    at_ms: int
    layout: Layout


class OwnershipHistory:
    """The topologies that a replica has worked under. now_ms: the time by the clocks of clients."""

    def __init__(self, placement: Placement, log: OperationLog, now_ms: Callable[[], int]) -> None:
        self._placement, self._log, self._now_ms = placement, log, now_ms
        topology = placement.layout.topology
        noted = log.noted(topology.fence)
        self._since = now_ms() if noted is None else noted
        self._learned = [_Learned(self._since, placement.layout)]
        self._joined: Layout | None = None

    def follow(self, before: Topology, after: Topology) -> None:
        """Take in that the topology has changed; to be called when the placement has it."""
        now = self._now_ms()
        self._follow_clock(now)
        if before.is_fresh:
            self._since = 0 if after.epoch == 1 else now  # a founder: before, there was nothing to agree on
            self._joined = self._placement.layout if after.phase is Phase.STREAMING else None
            self._learned.clear()
        self._learned.append(_Learned(now, self._placement.layout))
        self._drop_old(now)
        self._log.note(after.fence, self._since if before.is_fresh else now)

    def can_tell(self, operation: WriteId, epoch: int) -> bool:
        """Whether the replica would know the operation, had it been agreed on without it; or whether it
        needn't, since nothing is agreed on without a node that would. epoch: of the question.
        """
        now = self._now_ms()
        self._follow_clock(now)
        began, missed = operation.began_ms, epoch - self._learned[-1].layout.topology.epoch
        if not max(self._log.forgotten_ms, now - MAX_AGE_MS) <= began <= now + AHEAD_MS:
            return False
        if missed > EPOCHS_A_CHANGE:
            return False
        if len(self._learned) == 1 and self._joined is None and missed <= 0:
            return began - MARGIN_MS >= self._since
        tenures = [
            *self._before(operation.token),
            *(_tenure(each, operation.token) for each in self._learned),
        ]
        futures: list[list[OwnershipEpoch]] = [
            [OwnershipEpoch(epoch, False, now, owners)]
            for owners in _later_owners(tenures[-1].owners, missed)
        ]
        return all(self._can_tell(operation, [*tenures, *future]) for future in ([], *futures))

    def _follow_clock(self, now: int) -> None:
        """Replace times that a clock noted which was far ahead of the present one."""
        latest = now + MAX_AGE_MS + MARGIN_MS
        if self._log.forgotten_ms > latest:
            self._log.forgotten_ms = now
        if max(self._since, *(learned.at_ms for learned in self._learned)) > latest:
            self._since = min(self._since, now)
            self._learned = [learned._replace(at_ms=min(learned.at_ms, now)) for learned in self._learned]

    def _can_tell(self, operation: WriteId, tenures: Sequence[OwnershipEpoch]) -> bool:
        settled = settled_since(with_missed(tenures))
        if operation.began_ms - MARGIN_MS >= max(self._since, settled):
            return True
        return not settled and self._needs_the_only_owner(operation.token, tenures[-1].owners)

    def _needs_the_only_owner(self, token: int, owners: Owners) -> bool:
        """Whether, when this node joined, a key had one owner, without which its owners agree on nothing."""
        if self._joined is None:
            return False
        url, now = sole_owner(self._joined.of(token)), self._learned[-1].layout
        if url is None or not is_in_every_quorum(url, owners):
            return False
        then, today = self._joined.topology.at(url), now.topology.at(url)
        return then is not None and today is not None and then.node_id == today.node_id

    def _before(self, token: int) -> Iterator[OwnershipEpoch]:
        """The owners in the epoch before this node joined, as long as its joining is remembered: nodes that
        had not heard of it yet may have agreed on something after this node had.
        """
        if self._joined is not None and self._learned[0].layout is self._joined:
            owners = self._joined.of(token)
            epoch = self._joined.topology.epoch - 1
            yield OwnershipEpoch(epoch, False, self._since, Owners(owners.natural, (), owners.replicas))

    def _drop_old(self, now: int) -> None:
        """Keep what was in force within the age of an operation: of the older ones, the newest."""
        oldest = now - MAX_AGE_MS - MARGIN_MS
        superseded = bisect_left([learned.at_ms for learned in self._learned[1:]], oldest)
        del self._learned[:superseded]


def _later_owners(owners: Owners, missed: int) -> list[Owners]:
    """The owners that may decide in an epoch, some epochs after one with these owners."""
    if missed <= 0 or not owners.other_replicas:
        return []
    natural = Owners(owners.natural, (), owners.replicas)
    if owners.is_handover:
        return [natural]
    others = Owners(owners.others, (), owners.other_replicas)
    if missed > 1:
        return [natural, others]
    old = owners.natural, owners.replicas
    return [natural, others._replace(others=old[0], other_replicas=old[1], is_handover=True)]


def _tenure(learned: _Learned, token: int) -> OwnershipEpoch:
    topology = learned.layout.topology
    streams = topology.phase is Phase.STREAMING
    return OwnershipEpoch(topology.epoch, streams, learned.at_ms, learned.layout.of(token))
