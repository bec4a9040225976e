"""Writes that reach a new owner which does not know yet that it is one.

It owns the decision whether such a write is sent once more, and when. It must never send or conclude a write:
`writer.py` does.

The voters decide that a node joins, and the node learns it last, 10 to 300 ms later. Until then, it refuses
everything. From the decision on a write needs the new owners too (`Owners.sides`); most succeed without the
newcomer, but not if it is the second of only two replicas, or another owner is away. Such a write would have
an unknown outcome, since the others have stored it.

Why it may be sent once more, until its deadline:

1. It is one write, however often it arrives: the record stays the same, version included, and a store that
   merges a record twice has it once. Requests that follow a newer topology (`Writer._outdated`) send it
   again likewise.
2. Each round has its own count, under the layout of that moment: no acknowledgement of an earlier one is
   carried over. So enough acknowledgements prove as much as in a first round.
3. The refusal has no effect. The refusing node has stored nothing (`LocalReplica._check` comes before the
   store), and when it acknowledges later, it knows an epoch in which it is an owner.
4. The request is under way all the time, so each read meanwhile, or write above it, is concurrent with it. A
   version that is final stays so (`PendingWrite.version_is_final`): no LINEARIZABLE write, and none with an
   idempotency key, gets a second version here.
5. Once some replica may have the record, the job is marked (`may_be_stored`), and every later failure reports
   an unknown outcome.
"""

import asyncio
from collections.abc import Sequence

from limedb.core.layout import Layout, Owners
from limedb.core.quorum import Level
from limedb.ports import Clock
from limedb.replication.fanout import ReplicaAcks
from limedb.replication.replica_errors import is_newcomer
from limedb.replication.write.pending import PendingWrite

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.25


class Pauses:
    """The pauses between the rounds of a call that new owners delay. deadline: of the call."""

    def __init__(self, clock: Clock, deadline: float) -> None:
        self._clock, self._deadline, self._pause = clock, deadline, FIRST_PAUSE_SECONDS

    @property
    def is_time_left(self) -> bool:
        """Whether there is time for one more round."""
        return self._clock.monotonic() + self._pause < self._deadline

    async def wait(self) -> None:
        """Wait before the next round, longer each time."""
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)


class Newcomers:
    """The new owners that the writes of one call wait for. deadline: of the call, by the clock."""

    def __init__(self, clock: Clock, deadline: float) -> None:
        self._pauses, self._is_due = Pauses(clock, deadline), False

    def hold_up(self, job: PendingWrite, layout: Layout, level: Level) -> bool:
        """Whether only new owners that do not know it yet kept a write from its level, and there is time to
        send it once more. The job keeps the findings of the round.
        """
        acks = job.replica_acks
        if acks is None or acks.is_enough or acks.superseded_by or acks.stale is not None:
            return False
        owners = layout.of_key(job.write.key)
        deaf = [url for url in owners.pending if is_newcomer(acks.missed.get(url))]
        hopeful = [url for url in owners.write_set if url in deaf or url not in acks.missed]
        return bool(deaf) and owners.lacking(level, hopeful) <= 0 and self._has_time(job, acks)

    def hold_up_unsent(self, job: PendingWrite, owners: Owners, live: Sequence[str], level: Level) -> bool:
        """The same for a write that some replica may have, and that can't be sent now since this node does
        not know the new owners from gossip yet. Others fail at once, with a definite outcome.
        """
        hopeful = (*live, *owners.pending)
        return job.may_be_stored and owners.lacking(level, hopeful) <= 0 and self._has_time(job)

    def _has_time(self, job: PendingWrite, acks: ReplicaAcks | None = None) -> bool:
        if not self._pauses.is_time_left:
            return False
        if acks is not None:
            job.keep(acks)
        self._is_due = True
        return True

    async def pause(self) -> bool:
        """Wait before the next round if a write is delayed; whether one is."""
        if not self._is_due:
            return False
        self._is_due = False
        await self._pauses.wait()
        return True
