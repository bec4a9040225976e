"""The topology as this node knows it, kept on its disk, and its voice in deciding the next.

It owns the node's newest topology, its layout and its acceptor. It must never confirm a topology that isn't
on disk, return to an older epoch, or adopt one on somebody's word: that is a claim, which `verifier.py`
proves or doesn't. The node votes only for a valid step that loses nothing by the judgement of `approval.py`,
and only in a ballot that the time allows: so nobody can use up the numbers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

from limedb.core.layout import Layout
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.topology import Fence, MemberState, Topology, is_successor
from limedb.errors import InvalidRequestError, UnavailableError
from limedb.ports import MAX_RECENT, Account, NodeFile, Saved

log = logging.getLogger(__name__)

Listener = Callable[[Topology, Topology], None]
Prove = Callable[[Topology], Awaitable[None]]
Approve = Callable[[Topology, Topology], Awaitable[None]]

BALLOT_AHEAD_MS = 3_600_000
"""How far the round of a ballot may be above the milliseconds since 1970, since clocks differ. Rounds begin
at 1 and rise by one for each attempt, so an honest one is far below; and the highest allowed round rises
every millisecond.
"""
MAX_RECENT_MEMBERS = 2000
"""Members of all epochs together that are kept for nodes that missed them."""


class TopologyStore:
    """A node's topology. It is a `ports.Placement`.

    saved: the content of the node file, or `Saved(<new id>)`. drained: returns when no write made under an
    epoch below the given one runs on this node. now_ms: the wall clock.
    """

    def __init__(
        self,
        saved: Saved,
        node_file: NodeFile,
        drained: Callable[[int], Awaitable[None]],
        now_ms: Callable[[], int],
    ) -> None:
        self._node_file, self._drained, self._now_ms = node_file, drained, now_ms
        self._saved = self._without_void_promise(saved)
        self._prove: Prove = _nothing_proven
        self._approve: Approve = _nothing_known
        self._claimed = asyncio.Event()
        self._disputed = 0
        self._durable: Saved | None = None
        self._confirmed = saved.topology.fence
        self._layout = Layout(saved.topology)
        self._listeners: list[Listener] = []
        self._changed = asyncio.Event()

    # --- what is known

    @property
    def saved(self) -> Saved:
        """Everything that the node must not forget, as of now."""
        return self._saved

    @property
    def node_id(self) -> str:
        """The UUID of this node."""
        return self._saved.node_id

    @property
    def topology(self) -> Topology:
        """The newest topology known."""
        return self._saved.topology

    @property
    def layout(self) -> Layout:
        """Its owners of every token."""
        return self._layout

    @property
    def confirmed(self) -> Fence:
        """The newest topology that is on disk and that all writes running here were made under."""
        return self._confirmed

    def url_of(self, node_id: str) -> str:
        """The URL of a member; empty: there is none."""
        member = self.topology.member(node_id)
        return "" if member is None else member.url

    @property
    def is_member(self) -> bool:
        """Whether this node is in the newest topology."""
        return self.topology.member(self.node_id) is not None

    def gossiped(self) -> dict[str, Any]:
        """The fields of NodeState that gossip spreads of it: a topology is in them once it is confirmed."""
        cluster_id, epoch = self._confirmed
        return {
            "node_id": self.node_id,
            "cluster_id": cluster_id,
            "epoch": epoch,
            "has_left": self._saved.has_left,
            "rejoins": self._saved.rejoins if self.topology.is_fresh else "",
        }

    @property
    def is_behind(self) -> bool:
        """Whether somebody claims that there is a newer epoch, which isn't proven yet."""
        return self._claimed.is_set()

    def account(self, after: int) -> Account:
        """As TopologyTransport.account."""
        since = tuple(topology for topology in self._saved.recent if topology.epoch > after > 0)
        return Account((*since, self.topology), self._saved.acceptor)

    def ask_first(self, prove: Prove, approve: Approve) -> None:
        """Set the functions that prove claims, and approve steps before a vote; the engine calls this.

        prove: adopts proven topologies. approve: raises an error if it doesn't approve, as Approval.check.
        """
        self._prove, self._approve = prove, approve

    def subscribe(self, listener: Listener) -> None:
        """Call the listener with the topology before and the one after, whenever it changes."""
        self._listeners.append(listener)

    async def wait_changed(self, known: Topology) -> Topology:
        """Return the newest topology as soon as it isn't the known one."""
        while self.topology == known:
            await self._changed.wait()
        return self.topology

    # --- newer topologies

    def adopt(self, topology: Topology) -> None:
        """Note that somebody claims a topology, as ports.Placement; `prove` adopts it."""
        if self.is_news(topology):
            self._claimed.set()
        elif topology.fence == self.topology.fence and topology != self.topology:
            self._dispute(topology)

    def settle_claims(self) -> None:
        """Assume that there is no newer epoch, until somebody claims one again."""
        self._claimed.clear()

    def go_over(self, topology: Topology) -> None:
        """Adopt a newer topology of the own cluster, which was proven or decided; a fresh node only one in
        which it is a member.
        """
        if self.is_news(topology):
            member = self.topology.member(self.node_id)
            was_leaving = member is not None and member.standing is MemberState.LEAVING
            has_left = was_leaving and topology.member(self.node_id) is None
            is_founded = self.topology.is_fresh and topology.epoch == 1
            self._become(
                replace(
                    self._saved,
                    topology=topology,
                    acceptor=Acceptor(),
                    has_left=self._saved.has_left or has_left,
                    recent=self._recent(topology),
                    founded_ms=self._now_ms() if is_founded else self._saved.founded_ms,
                )
            )

    def forget(self, node_id: str) -> None:
        """Leave the cluster and become the new node of that id. The store must be empty."""
        self._become(Saved(node_id))

    async def learn(self, topology: Topology) -> Topology:
        """Prove and adopt it, as TopologyTransport.learn; a topology that can't be proven (yet) stays a
        claim. StoreError: it could not be saved, so nothing is confirmed.
        """
        if self.is_news(topology):
            self.adopt(topology)
            await self._prove(topology)
        return await self.confirm()

    async def confirm(self) -> Topology:
        """The newest topology, once it is on disk and no write made under an older one runs here."""
        while self._confirmed != self.topology.fence or self._durable is not self._saved:
            topology = self.topology
            await self.save()
            await self._drained(topology.epoch)
            if self.topology == topology:
                self._confirmed = topology.fence
                break
        return self.topology

    async def remember(self, **fields: Any) -> None:  # noqa: ANN401 (the fields of Saved)
        """Keep other fields of Saved; they are on disk when it returns. StoreError."""
        self._saved = replace(self._saved, **fields)
        await self.save()

    async def save(self) -> None:
        """Return when all is on disk. StoreError."""
        saved = self._saved
        if saved is not self._durable:
            await self._node_file.save(saved)
            self._durable = saved

    # --- the acceptor

    async def prepare(self, before: Topology, ballot: Ballot) -> Acceptor[Topology] | Topology:
        """As TopologyTransport.prepare. InvalidRequestError: not this node's vote. StoreError: no answer.
        UnavailableError: `before` isn't proven here yet.
        """
        return await self._vote(before, ballot, lambda acceptor: acceptor.on_prepare(ballot))

    async def accept(
        self, before: Topology, ballot: Ballot, after: Topology
    ) -> Acceptor[Topology] | Topology:
        """As TopologyTransport.accept. InvalidRequestError: not this node's vote, no valid step, or not
        approved. UnavailableError: not approved yet, or `before` isn't proven here yet.
        """
        if not is_successor(before, after):
            raise InvalidRequestError(f"epoch {after.epoch} as proposed can't follow epoch {before.epoch}")
        await self._meet(before)
        if before == self.topology and self._saved.acceptor.value != after:
            self._check_vote(before, ballot)
            await self._approve(before, after)
        return await self._vote(before, ballot, lambda acceptor: acceptor.on_accept(ballot, after))

    async def _vote(
        self, before: Topology, ballot: Ballot, move: Callable[[Acceptor[Topology]], Acceptor[Topology]]
    ) -> Acceptor[Topology] | Topology:
        await self._meet(before)
        own = self.topology
        if before.cluster_id == own.cluster_id and own.epoch > before.epoch:
            return own
        self._check_vote(before, ballot)
        acceptor = move(self._saved.acceptor)
        if acceptor != self._saved.acceptor:
            self._saved = replace(self._saved, acceptor=acceptor)
        await self.save()
        return acceptor

    async def _meet(self, before: Topology) -> None:
        """Prove that the epoch of a requested vote is the newest, if it isn't known here."""
        if not self.topology.is_fresh and self.is_news(before):
            self.adopt(before)
            await self._prove(before)

    def _check_vote(self, before: Topology, ballot: Ballot) -> None:
        own = self.topology
        if self.is_news(before):
            raise UnavailableError(
                f"epoch {before.epoch} isn't proven to this node yet, which knows epoch {own.epoch}; it asks"
                " the members that it knows"
            )
        if before != own or self.node_id not in {voter.node_id for voter in own.voters}:
            raise InvalidRequestError(f"this node has no vote on what follows epoch {before.epoch}")
        if self._is_void(ballot):
            raise InvalidRequestError(f"the ballot's round {ballot.round} is above what time allows")
        if own.member(ballot.proposer.partition("/")[0]) is None:
            raise InvalidRequestError(f"the ballot is of {ballot.proposer[:80]!r}, which is no member")

    # --- how

    def _is_void(self, ballot: Ballot) -> bool:
        return ballot.round > self._now_ms() + BALLOT_AHEAD_MS

    def _without_void_promise(self, saved: Saved) -> Saved:
        """The saved state, without the promise of a ballot that nobody can use: an older version gave such
        promises to anybody, and then no change was possible any more. Nothing is accepted in such a ballot.
        """
        acceptor = saved.acceptor
        if not self._is_void(acceptor.promised) or self._is_void(acceptor.accepted):
            return saved
        log.warning("the promise of ballot %d is void: no round can be so high", acceptor.promised.round)
        return replace(saved, acceptor=replace(acceptor, promised=acceptor.accepted))

    def _dispute(self, topology: Topology) -> None:
        """Log, once for each epoch, that somebody knows another content of it."""
        if self._disputed != topology.epoch:
            self._disputed = topology.epoch
            log.critical(
                "somebody claims another content of epoch %d: members %s, where this node knows %s; it keeps"
                " what it knows",
                topology.epoch,
                ", ".join(member.url for member in topology.members[:20]),
                ", ".join(member.url for member in self.topology.members[:20]),
            )

    def _recent(self, after: Topology) -> tuple[Topology, ...]:
        """The epochs to keep behind `after`, the newest of them last."""
        if self.topology.is_fresh:
            return ()
        kept: list[Topology] = []
        room = MAX_RECENT_MEMBERS
        for topology in (self.topology, *reversed(self._saved.recent)):
            room -= len(topology.members)
            if len(kept) == MAX_RECENT or room < 0:
                break
            kept.insert(0, topology)
        return tuple(kept)

    def is_news(self, topology: Topology) -> bool:
        """Whether it would be a step ahead if it were proven."""
        own = self.topology
        if own.is_fresh:
            may_join = self._saved.rejoins in ("", topology.cluster_id)
            return may_join and topology.member(self.node_id) is not None
        return topology.cluster_id == own.cluster_id and topology.epoch > own.epoch

    def _become(self, saved: Saved) -> None:
        before, self._saved = self.topology, saved
        self._layout = Layout(saved.topology)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        for listener in self._listeners:
            listener(before, saved.topology)


async def _nothing_proven(claim: Topology) -> None:
    """Adopt nothing: there is nobody to ask."""


async def _nothing_known(before: Topology, after: Topology) -> None:
    """Vote for any valid step: there is nobody to ask."""


def new_id(rng: Random) -> str:
    """The id of a new node: a random UUID (version 4, RFC 9562)."""
    return str(UUID(int=rng.getrandbits(128), version=4))
