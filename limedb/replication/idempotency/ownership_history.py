"""How far back a replica knows operations: what it has forgotten, and which nodes were owners meanwhile.

It owns the account of the topologies of the last minutes. It must never learn one by itself: the replica
reports each.

A replica may answer that it knows nothing of an operation only if it would know: if it was an owner, with its
memory, before the operation began, and so were the nodes that might have agreed on it. Otherwise owners that
never heard of the first attempt could agree on a retry again.

A node that has just joined knows nothing from before. It takes part nevertheless where it needn't know: where
the key had one owner before, that owner is still the same node, and every agreement needs it. So a cluster of
one node takes such writes while it gets its second, and so does one with REPLICATION_FACTOR=1 while a key
moves. This is safe. Let A be that owner, B the node that joined last, and let an earlier agreement be made in
epoch e:

1. e is that of A alone, or a later one up to B's joining: A was in each quorum, and is in this one.
2. e is later: B remembers all since it joined, and so do the others. As always A, which was there, answers
   only if the quorums of e intersect the newest ones.
3. e is earlier: A answers only if the quorums of e had to contain it. It compares them not only with the
   newest owners, but also with itself as the only one (`settled_since`).

So some node that agreed in e gets the question again, and remembers or refuses. If another node replaces A, B
refuses. Later, once agreements are possible without A, B gives no answer about anything from before it
joined.

All times here are those of the clients' clocks, like the beginnings of operations. They step back only if the
clocks are set back by more than MAX_AGE_MS and MARGIN_MS (`ClockSkewGuard.clients_ms`). A time noted by the
fast clock would then refuse operations for as long as that clock was ahead. So the replica replaces it by the
present time (`_follow_clock`). That is sound for all operations that begin from now on, since they, too,
begin after the noted event. Operations from before the step have times of the fast clock. As long as such an
operation may be tried again, its beginning lies further in the future than coordinators accept
(`proposer.py`); and an operation that was on its way during the step lies so far ahead that replicas give no
answer (AHEAD_MS).

A replica also serves requests of epochs that it has not heard of yet. It then judges by every group of owners
that may decide in such an epoch: a change that it knows to run may be finished by then, or cancelled. If it
may have missed more than one change, it gives no answer.

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
"""An operation that begins this many milliseconds later is from before the clocks were set back: a call is on
its way for less.
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
        """Note that the topology has changed; call it when the placement has the new one."""
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
        """Whether the replica would know the operation if others had agreed on it; or whether it needn't,
        since every agreement needs a node that would know. epoch: of the question.
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
        """Replace times noted by a clock that was far ahead of the present one."""
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
        """Whether, when this node joined, a key had one owner, which every agreement of its owners needs."""
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
        """Keep the topologies of the time in which an operation may be retried, and the newest older one."""
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
