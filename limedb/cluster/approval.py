"""What a voter finds out by itself before it votes for a step.

It owns the conditions of each step as far as a voter can see them. It must never take the proposer's word:
whoever proposes may be wrong, or no member at all, and a step that is taken too soon loses keys.

A majority votes, so it is enough that honest voters look. What holds once holds for the rest of the epoch: a
node that has fetched has fetched. Only whether a member is dead may change; a removal that some had accepted
before it was seen alive again binds nobody, unless it may have been decided (`core/paxos.py`).
"""

from collections.abc import Callable
from dataclasses import replace

from limedb.cluster.asking import ask_all
from limedb.cluster.attendance import Attendance
from limedb.cluster.charter import Charter
from limedb.cluster.planning import gainers, sources_needed
from limedb.cluster.view import ClusterView
from limedb.core.layout import Layout
from limedb.core.topology import Fence, Phase, Standing, Topology
from limedb.errors import InvalidRequestError
from limedb.ports import Progress, TopologyTransport

ASK_SECONDS = 1.0
"""How long a node may take for an answer: the proposer waits meanwhile."""


class Approval:
    """One voter's look at steps. progress: the own part of a change. has_data: whether the own store ever
    took a write.
    """

    def __init__(
        self,
        charter: Charter,
        view: ClusterView,
        attendance: Attendance,
        transport: TopologyTransport,
        progress: Callable[[], Progress],
        has_data: Callable[[], bool],
    ) -> None:
        self._charter, self._view, self._attendance = charter, view, attendance
        self._transport, self._progress, self._has_data = transport, progress, has_data
        self._seen: set[tuple[Fence, str]] = set()  # nodes that were seen to have done their part

    async def check(self, before: Topology, after: Topology) -> None:
        """InvalidRequestError: this node sees that the step can't be taken yet, or not at all."""
        if after.gives_way and self._has_data():
            raise InvalidRequestError("the cluster holds data and gives way to none")
        if before.phase is Phase.STREAMING and after.phase is Phase.HANDOVER:
            await self._check_fetched(before)
        elif before.phase is Phase.HANDOVER:
            await self._check_handed_over(before)
        elif after.phase is Phase.STREAMING:
            self._check_removed(before, after)

    def _check_removed(self, before: Topology, after: Topology) -> None:
        """Nobody is removed who is there, as far as it is seen from here."""
        for member in after.members:
            known = before.member(member.node_id)
            is_new = known is not None and known.standing is not Standing.REMOVING
            if member.standing is not Standing.REMOVING or not is_new or known is None:
                continue
            if self._attendance.is_there(known):
                raise InvalidRequestError(f"{member.url} is alive, so it can't be removed")

    async def _check_fetched(self, topology: Topology) -> None:
        """Reads move when all that fetch have done so."""
        busy = gainers(self._charter.layout)
        busy |= {m.url for m in topology.members if m.standing is Standing.JOINING}
        waiting = self._unseen(topology, busy)
        answers = await ask_all(sorted(waiting), self._ask_progress)
        done = {
            url
            for url, progress in answers.items()
            if progress.is_done and (progress.cluster_id, progress.epoch) == topology.fence
        }
        self._note(topology, done)
        if left := waiting - done:
            raise InvalidRequestError(f"{', '.join(sorted(left))} have not fetched all yet, or don't answer")

    async def _check_handed_over(self, topology: Topology) -> None:
        """A change ends when so many old owners of each range refuse those who read as before."""
        ranges = {owners for _, owners in Layout(replace(topology, phase=Phase.STREAMING)).segments()}
        current = {url for owners in ranges for url in owners.current}
        waiting = self._unseen(topology, current)
        answers = await ask_all(sorted(waiting), lambda url: self._learn(url, topology))
        self._note(topology, {url for url, newest in answers.items() if _knows(newest, topology)})
        left = self._unseen(topology, current)
        for owners in ranges:
            if len(set(owners.current) - left) < sources_needed(owners):
                raise InvalidRequestError(f"{', '.join(sorted(left))} don't know of the handover yet")

    def _unseen(self, topology: Topology, urls: set[str]) -> set[str]:
        """Those who were not seen to be done; what was seen in other epochs is forgotten."""
        self._seen = {(fence, url) for fence, url in self._seen if fence == topology.fence}
        return urls - {url for _, url in self._seen}

    def _note(self, topology: Topology, urls: set[str]) -> None:
        self._seen |= {(topology.fence, url) for url in urls}

    async def _ask_progress(self, url: str) -> Progress:
        if url == self._view.own_url:
            return self._progress()
        return await self._transport.progress(url, ASK_SECONDS)

    async def _learn(self, url: str, topology: Topology) -> Topology:
        """What a node answers when it has that epoch on disk, and no older write runs there."""
        if url == self._view.own_url:
            return await self._charter.learn(topology)
        return await self._transport.learn(url, topology, ASK_SECONDS)


def _knows(newest: Topology, topology: Topology) -> bool:
    return newest.cluster_id == topology.cluster_id and newest.epoch >= topology.epoch
