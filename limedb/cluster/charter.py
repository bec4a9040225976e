"""The topology as this node knows it, kept on its disk, and its voice in deciding the next.

It owns the node's newest topology, its layout and its acceptor. It must never confirm what isn't on disk,
nor go back to an older epoch.
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
from limedb.core.topology import Fence, Standing, Topology, is_successor
from limedb.errors import InvalidRequestError
from limedb.ports import NodeFile, Saved

log = logging.getLogger(__name__)

Listener = Callable[[Topology, Topology], None]


class Charter:
    """A node's topology. It is a `ports.Placement`.

    saved: what the node file held, or `Saved(<new id>)`. drained: returns when no write made under an epoch
    below the one given runs on this node any more.
    """

    def __init__(self, saved: Saved, node_file: NodeFile, drained: Callable[[int], Awaitable[None]]) -> None:
        self._saved, self._node_file, self._drained = saved, node_file, drained
        self._durable: Saved | None = None
        self._confirmed = saved.topology.fence
        self._layout = Layout(saved.topology)
        self._listeners: list[Listener] = []
        self._changed = asyncio.Event()

    # --- what it knows

    @property
    def saved(self) -> Saved:
        """All that the node must not forget, as of now."""
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

    @property
    def is_member(self) -> bool:
        """Whether this node is in the newest topology."""
        return self.topology.member(self.node_id) is not None

    def told(self) -> dict[str, Any]:
        """The fields of NodeState that gossip tells of it: a topology is told once it is confirmed."""
        cluster_id, epoch = self._confirmed
        return {
            "node_id": self.node_id,
            "cluster_id": cluster_id,
            "epoch": epoch,
            "has_left": self._saved.has_left,
        }

    def subscribe(self, listener: Listener) -> None:
        """Call the listener with the topology before and the one after, whenever it changes."""
        self._listeners.append(listener)

    async def wait_changed(self, known: Topology) -> Topology:
        """Return the newest topology as soon as it isn't the known one."""
        while self.topology == known:
            await self._changed.wait()
        return self.topology

    # --- going on

    def adopt(self, topology: Topology) -> None:
        """Go over to a newer topology of the own cluster; a fresh node only to one that it is in."""
        if self._is_news(topology):
            member = self.topology.member(self.node_id)
            was_leaving = member is not None and member.standing is Standing.LEAVING
            has_left = was_leaving and topology.member(self.node_id) is None
            self._become(
                replace(
                    self._saved,
                    topology=topology,
                    acceptor=Acceptor(),
                    has_left=self._saved.has_left or has_left,
                )
            )
        elif topology.fence == self.topology.fence and topology != self.topology:
            log.critical("epoch %d has two contents: %s and %s", topology.epoch, self.topology, topology)

    def forget(self, node_id: str) -> None:
        """Belong to no cluster any more, as the new node of that id. The store must be empty."""
        self._become(Saved(node_id))

    async def learn(self, topology: Topology) -> Topology:
        """Adopt, as TopologyTransport.learn. StoreError: it could not be saved, so nothing is confirmed."""
        self.adopt(topology)
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
        """As TopologyTransport.prepare. InvalidRequestError: not this node's vote. StoreError: no answer."""
        return await self._vote(before, lambda acceptor: acceptor.on_prepare(ballot))

    async def accept(
        self, before: Topology, ballot: Ballot, after: Topology
    ) -> Acceptor[Topology] | Topology:
        """As TopologyTransport.accept. InvalidRequestError: not this node's vote, or no valid step."""
        if not is_successor(before, after):
            raise InvalidRequestError(f"epoch {after.epoch} as proposed can't follow epoch {before.epoch}")
        return await self._vote(before, lambda acceptor: acceptor.on_accept(ballot, after))

    async def _vote(
        self, before: Topology, move: Callable[[Acceptor[Topology]], Acceptor[Topology]]
    ) -> Acceptor[Topology] | Topology:
        self.adopt(before)
        own = self.topology
        if before.cluster_id == own.cluster_id and own.epoch > before.epoch:
            return own
        if before != own or self.node_id not in {voter.node_id for voter in own.voters}:
            raise InvalidRequestError(f"this node has no vote on what follows epoch {before.epoch}")
        acceptor = move(self._saved.acceptor)
        if acceptor != self._saved.acceptor:
            self._saved = replace(self._saved, acceptor=acceptor)
        await self.save()
        return acceptor

    # --- how

    def _is_news(self, topology: Topology) -> bool:
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


def new_id(rng: Random) -> str:
    """The id of a new node: a random UUID (version 4, RFC 9562)."""
    return str(UUID(int=rng.getrandbits(128), version=4))
