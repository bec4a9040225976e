"""Faults planted in the product, each of which a seed must show.

It owns what is left out or done wrong. A fault is planted for one test and never stays.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from limedb.cluster.gossip.hearsay import Hearsay
from limedb.cluster.topology.bootstrap import Bootstrap
from limedb.core import digest
from limedb.core.coverage import Coverage
from limedb.core.digest import Difference, Versioned
from limedb.core.quorum import Level
from limedb.core.quorum_call import QuorumCall, Tally
from limedb.core.record import Record
from limedb.core.slewed_time import SlewedTime
from limedb.core.topology import Fence
from limedb.engine import Engine
from limedb.errors import LimeDBError, ResponseTooLargeError, is_too_large
from limedb.ports import Applied, Held, Replica, Saved
from limedb.replication import coordinator
from limedb.replication.checked_replicas import CheckedReplica, CheckedReplicas
from limedb.replication.coordinator import Coordinator, Write, Written
from limedb.replication.peer_door import PeerDoor
from limedb.replication.repair import healing, range_sync
from limedb.replication.repair.hint_replay import HintReplayer
from limedb.replication.repair.range_sync import ReplicaCalls
from limedb.replication.replica import LocalReplica
from limedb.replication.streaming.handoff import Handoff, Part, StreamJob
from limedb.replication.streaming.transfer import Sources
from limedb.replication.watch.feed import Feed, WatchSource
from limedb.replication.watch.reported import Known, Reported
from limedb.replication.write import portions
from limedb.replication.write import writer as writing
from limedb.rpc import addressee
from limedb.storage import node_damage
from tests.simulation.clock import SimClock
from tests.simulation.disk import SimStore


def one_source(patch: pytest.MonkeyPatch) -> None:
    """A new owner fetches from one of the old ones only."""
    sound = Handoff._sources

    def sources(self: Handoff, job: StreamJob, part: Part) -> Sources:
        return sound(self, job, part)._replace(others={}, needed=1)

    patch.setattr(Handoff, "_sources", sources)


def pulls_what_is_missing(patch: pytest.MonkeyPatch) -> None:
    """A comparison brings what a side has nothing of, and not what it has older."""

    def compare(own: Iterable[Versioned], other: Iterable[Versioned], cutoff_ms: int = 0) -> Difference:
        ours, theirs = list(own), list(other)
        pull, push = digest.compare(ours, theirs, cutoff_ms)
        known, known_there = {e.key for e in ours}, {e.key for e in theirs}
        return Difference([k for k in pull if k not in known], [k for k in push if k not in known_there])

    patch.setattr(range_sync, "compare", compare)


def half_of_what_is_too_large(patch: pytest.MonkeyPatch) -> None:
    """Of keys that are too large together for one answer the second half is forgotten."""
    sound = ReplicaCalls.copy

    async def copy(self: ReplicaCalls, source: Replica, target: Replica, keys: Sequence[str]) -> None:
        try:
            await self.read(source, keys)
        except LimeDBError as error:
            if is_too_large(error):
                keys = keys[: len(keys) // 2]
        await sound(self, source, target, keys)

    patch.setattr(ReplicaCalls, "copy", copy)


def too_large_is_known_here_only(patch: pytest.MonkeyPatch) -> None:
    """A peer's answer that would be too large is taken for any other error."""
    patch.setattr(range_sync, "is_too_large", lambda error: isinstance(error, ResponseTooLargeError))


def no_hints(patch: pytest.MonkeyPatch) -> None:
    """What a replica missed is never sent to it: no fault, for hints may be lost."""

    async def run(self: HintReplayer) -> None:
        await asyncio.Event().wait()

    patch.setattr(HintReplayer, "run", run)


def hints_are_acks(patch: pytest.MonkeyPatch) -> None:
    """One replica is enough for a write: the others are left hints."""
    patch.setattr(writing, "needed", lambda level, n: 1)


def an_answer_counts_twice(patch: pytest.MonkeyPatch) -> None:
    """A quorum call takes one node's answer for two."""
    sound = QuorumCall.on_answer

    def on_answer(
        self: QuorumCall[Any], node_url: str, tallies: Sequence[Tally[Any]], answers: Sequence[object]
    ) -> Mapping[str, list[Any]]:
        first = sound(self, node_url, tallies, answers)
        for tally in tallies:
            tally.waiting[node_url] = None
        return {**first, **sound(self, node_url, tallies, answers)}

    patch.setattr(QuorumCall, "on_answer", on_answer)


def one_short_is_enough(patch: pytest.MonkeyPatch) -> None:
    """A quorum call succeeds with one answer fewer than its level needs."""
    sound = Tally.__init__

    def init(self: Tally[Any], need: int, targets: Iterable[str], *, holders: int = 0) -> None:
        sound(self, max(1, need - 1), targets, holders=holders)

    patch.setattr(Tally, "__init__", init)


def no_checksums(patch: pytest.MonkeyPatch) -> None:
    """What has rotted on a disk is taken for what was stored."""
    patch.setattr(SimStore, "verifies", False)


def rot_is_absence(patch: pytest.MonkeyPatch) -> None:
    """A replica whose record is damaged answers that it has none, and takes any write in its place."""
    sound = LocalReplica.read

    async def read(
        self: LocalReplica, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        return [
            held if isinstance(held, Record) else None
            for held in await sound(self, keys, fence, deadline, most)
        ]

    patch.setattr(LocalReplica, "read", read)
    patch.setattr(healing, "judge", lambda own, owners, answers: healing.Verdict(healing.Outcome.MENDED))


def pledges_to_anybody(patch: pytest.MonkeyPatch) -> None:
    """A fresh node pledges itself to whoever asks first."""
    patch.setattr(Bootstrap, "pledge", Bootstrap._pledge)


def whoever_answers(patch: pytest.MonkeyPatch) -> None:
    """A node does what is meant for another, as if it were meant for it."""
    patch.setattr(addressee, "check_meant", lambda own_url, meant: None)


def portions_that_always_succeed(patch: pytest.MonkeyPatch) -> None:
    """What fails a later portion of a batch is reported as success."""
    patch.setattr(coordinator, "_not_begun", lambda write, error: Written(1, False, 1, 1))


def portions_left_out(patch: pytest.MonkeyPatch) -> None:
    """The last portion of a batch is dropped, and acknowledged with those before."""
    sound = Coordinator._in_portions

    async def in_portions(
        self: Coordinator, writes: Sequence[Write], level: Level, deadline: float
    ) -> list[Written | LimeDBError]:
        *kept, last = portions.portions(writes, self.portion_bytes)
        outcomes = await sound(self, [write for portion in kept for write in portion], level, deadline)
        return outcomes + outcomes[-1:] * len(last)

    patch.setattr(Coordinator, "_in_portions", in_portions)


def failed_portions_fail_all(patch: pytest.MonkeyPatch) -> None:
    """What fails a later portion is reported of those before, too."""
    sound = Coordinator._in_portions

    async def in_portions(
        self: Coordinator, writes: Sequence[Write], level: Level, deadline: float
    ) -> list[Written | LimeDBError]:
        outcomes = await sound(self, writes, level, deadline)
        last = outcomes[-1]
        return [last] * len(outcomes) if isinstance(last, LimeDBError) else outcomes

    patch.setattr(Coordinator, "_in_portions", in_portions)


def more_is_none(patch: pytest.MonkeyPatch) -> None:
    """A replica that has more than it may answer is taken for one that has nothing."""
    sound = CheckedReplica.read

    async def read(
        self: CheckedReplica, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        try:
            return await sound(self, keys, fence, deadline, most)
        except LimeDBError as error:
            if not is_too_large(error):
                raise
            return [None] * len(keys)

    patch.setattr(CheckedReplica, "read", read)


def time_of_the_machine(patch: pytest.MonkeyPatch) -> None:
    """A node takes the time in which it stood still for the others' silence."""
    patch.setattr(SimClock, "stand_still", lambda self, seconds: None)


def set_aside_and_still_a_member(patch: pytest.MonkeyPatch) -> None:
    """A node whose data was set aside remains who it was, instead of joining as a new one."""
    patch.setattr(node_damage, "successor", lambda saved, node_id: saved)


def set_aside_and_free(patch: pytest.MonkeyPatch) -> None:
    """A node whose data was set aside begins as if there had never been a cluster."""
    patch.setattr(node_damage, "successor", lambda saved, node_id: Saved(node_id))


def time_steps_back(patch: pytest.MonkeyPatch) -> None:
    """The cluster's time is that of its clocks, whatever happens to them."""
    patch.setattr(SlewedTime, "lead", lambda self, now_ms, at: 0.0)


def watch_of_one_owner(patch: pytest.MonkeyPatch) -> None:
    """A watch takes one owner of each range for enough, as if it were a majority."""
    one = Level.ONE
    sound = Coverage.is_enough
    patch.setattr(Coverage, "is_enough", lambda self, nodes, level: sound(self, nodes, one))


def watch_of_restarted(patch: pytest.MonkeyPatch) -> None:
    """A node that was restarted counts at once, though it has forgotten what it was to tell."""

    def counts(self: Feed, source: WatchSource) -> bool:
        return source.is_live

    patch.setattr(Feed, "_counts", counts)


def stop_at_once(patch: pytest.MonkeyPatch) -> None:
    """A node stops though a peer that crashed does not count for watches yet."""

    async def wait_watchable(self: Engine, wait_ms_of: object) -> None:
        """Wait for nothing."""

    patch.setattr(Engine, "wait_watchable", wait_watchable)


def watch_that_forgets(patch: pytest.MonkeyPatch) -> None:
    """A key that a feed has forgotten is taken for one that it never reported."""
    sound = Reported.look

    def look(self: Reported, key: str, version: int) -> Known:
        known = sound(self, key, version)
        return Known.NEW if known is Known.UNSURE else known

    patch.setattr(Reported, "look", look)


def watch_that_drops(patch: pytest.MonkeyPatch) -> None:
    """What a feed is unsure of is left out, though it may be on its way."""
    patch.setattr(Feed, "_was_reported", lambda self, version: True)


def records_of_any_time(patch: pytest.MonkeyPatch) -> None:
    """What peers send is stored unseen."""

    async def apply(
        self: PeerDoor, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        return await self._own.apply(records, fence, deadline, copied)

    patch.setattr(PeerDoor, "apply", apply)


def answers_of_any_time(patch: pytest.MonkeyPatch) -> None:
    """What peers answer is counted unseen."""
    patch.setattr(CheckedReplicas, "at", lambda self, node_url: self._replicas.at(node_url))


def gossip_of_anybody(patch: pytest.MonkeyPatch) -> None:
    """What anybody says of a node is taken for the node's own word."""
    patch.setattr(Hearsay, "digests", lambda self, digests: [d for d in digests if d.url])
    patch.setattr(Hearsay, "states", lambda self, states: [s for s in states if s.url])
