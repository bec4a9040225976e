"""How fresh nodes make a cluster.

It owns the wait for names, the pledges and the founding. It must never found a cluster if it has heard of
one, nor before it has reached a majority of the nodes in its list, itself included: otherwise two groups that
don't reach each other would both found one (docs/decisions/0001-who-may-found.md).

When no more new names come, the fresh node with the smallest URL asks the others for a pledge, which binds a
node to one founder for some seconds, and founds the cluster with those that gave it: nothing is stored, so
all own their ranges at once. Nodes that come later join.
"""

import logging
from collections.abc import Sequence
from random import Random

from limedb.aio.broadcast import ask_all
from limedb.cluster.gossip.view import ClusterView
from limedb.cluster.topology.first_claims import SEED_SECONDS
from limedb.cluster.topology.proposer import TopologyProposer
from limedb.cluster.topology.store import TopologyStore
from limedb.core.detector import Status
from limedb.core.membership import NodeState
from limedb.core.quorum import majority
from limedb.core.topology import Member, initial_topology
from limedb.ports import Clock, TopologyTransport

log = logging.getLogger(__name__)

QUIET_INTERVALS = 2  # without a new name
MAX_QUIET = 3.0  # seconds: enough where the gossip interval is long, as new names spread at once
WELCOME_SECONDS = 20.0  # in which a known cluster lets a node in, unless another change runs
PLEDGE_SECONDS = 5.0
PLEDGE_TIMEOUT = 1.0


_NOT_LET_IN = (
    "the node belongs to no cluster yet: it hears one, by {}, that has not let it in; that waits for a"
    " majority of its members, or for the change of the topology that runs (limedb admin status there says"
    " which), or its members can't reach this node at {}"
)
_NOT_FOUNDED = (
    "the node belongs to no cluster yet: of the nodes in none {} has the smallest name, so it is to found"
    " one, and has not; its own health says why; if it is no node of yours, keep it away from the network of"
    " these"
)


_MAY_NOT = (
    "the node belongs to no cluster and has no data, and MAY_FOUND=no: it hears of no cluster that could let"
    " it in. If its data was lost, see docs/damage.md; to begin with a new, empty cluster set MAY_FOUND=yes"
    " on all nodes"
)


class Bootstrap:
    """A fresh node's part in founding. seeds: URLs in its list. may_found: whether it takes part at all."""

    def __init__(
        self,
        topology_store: TopologyStore,
        topology_proposer: TopologyProposer,
        view: ClusterView,
        transport: TopologyTransport,
        clock: Clock,
        rng: Random,
        *,
        interval: float,
        seeds: Sequence[str],
        may_found: bool = True,
    ) -> None:
        self._topology_store, self._topology_proposer, self._view = topology_store, topology_proposer, view
        self._transport, self._clock, self._rng = transport, clock, rng
        self._quiet = min(QUIET_INTERVALS * interval, MAX_QUIET)
        self._seeds = [url for url in seeds if url != view.own_url]
        self._may_found, self._started = may_found, clock.monotonic()
        self._pledged, self._until = "", 0.0

    def pledge(self, founder: str) -> str:
        """As TopologyTransport.pledge: the founder to which this node is pledged now; "": it takes part in no
        founding, or not by that node. It pledges itself only to the fresh node that should found by its own
        knowledge: never to a stranger, nor to a node whose turn it isn't, whichever node asks for it.
        """
        return self._pledge(founder) if self.may_found(founder) else ""

    def may_found(self, founder: str) -> bool:
        """Whether a node is the fresh one that should found, by this node's knowledge."""
        is_first = founder == min((state.url for state in self._fresh()), default="")
        return is_first and founder < self._view.own_url

    def _pledge(self, founder: str) -> str:
        if not self._can_found() or self._hears_cluster():
            return ""
        now = self._clock.monotonic()
        if founder != self._pledged and now < self._until:
            return self._pledged
        self._pledged, self._until = founder, now + PLEDGE_SECONDS
        return founder

    @property
    def waiting_for(self) -> str:
        """Why nobody founds a cluster, as a sentence; empty: it may be founded, or soon will be."""
        waited = self._clock.monotonic() - self._started
        if not self._is_free() or waited < SEED_SECONDS:
            return ""
        if hears := self._hears_cluster():
            return (
                _NOT_LET_IN.format(hears, self._view.address(self._view.own_url))
                if waited > WELCOME_SECONDS
                else ""
            )
        if not self._may_found:
            return _MAY_NOT
        if self._reaches_enough():
            return self._whose_turn() if waited > WELCOME_SECONDS else ""
        missing = [url for url in self._seeds if not self._view.reached(url)]
        return (
            f"the node belongs to no cluster yet: {', '.join(missing)} of NODE_PEERS do not answer, and"
            " without a majority of the nodes named there and itself it founds none; start them or correct it"
        )

    def _whose_turn(self) -> str:
        first = min((state.url for state in self._fresh_living()), default=self._view.own_url)
        return _NOT_FOUNDED.format(first) if first < self._view.own_url else ""

    async def step(self) -> None:
        """Found the cluster, if it is this node's turn. StoreError: it could not be saved."""
        if self._can_found() and not self._hears_cluster() and self._is_settled() and self._is_smallest():
            await self._found()

    async def _found(self) -> None:
        await self._topology_store.save()  # the node_id, before others rely on it
        own = self._view.own_url
        if self._pledge(own) != own:
            return
        answers = await ask_all(
            [state.url for state in self._fresh()],
            lambda url: self._transport.pledge(url, own, PLEDGE_TIMEOUT),
        )
        states = [s for s in self._fresh() if answers.get(s.url) == own]
        if not self._can_found() or self._hears_cluster():
            return
        topology = initial_topology(
            f"{self._rng.getrandbits(64) or 1:016x}",
            self._view.own.replication_factor,
            [self._own_member(), *map(member_of, states)],
        )
        self._topology_store.go_over(topology)
        await self._topology_store.save()
        log.info(
            "founded cluster %s of %d nodes: it is new and empty", topology.cluster_id, len(topology.members)
        )
        self._topology_proposer.push(topology, [state.url for state in states])

    def _can_found(self) -> bool:
        return self._may_found and self._is_free()

    def _is_free(self) -> bool:
        saved = self._topology_store.saved
        return saved.topology.is_fresh and not saved.has_left and not saved.rejoins

    def _hears_cluster(self) -> str:
        """A node that reports to be in a cluster; empty: none does."""
        return next((url for url in self._view.peers() if self._view.state(url).cluster_id), "")

    def _is_settled(self) -> bool:
        """Whether all expected nodes are there."""
        if self._view.named_for < self._quiet:
            return False
        if all(self._view.reached(url) for url in self._seeds):
            return True
        return self._clock.monotonic() - self._started >= SEED_SECONDS and self._reaches_enough()

    def _reaches_enough(self) -> bool:
        """Whether it has reached a majority of the nodes in its list, itself included."""
        return sum(map(self._view.reached, self._seeds)) + 1 >= majority(len(self._seeds) + 1)

    def _is_smallest(self) -> bool:
        """Whether it is this node's turn; a node that is silent for a moment counts, or two would found."""
        return all(self._view.own_url < state.url for state in self._fresh_living())

    def _fresh(self) -> list[NodeState]:
        """The other fresh nodes with which it could found a cluster."""
        return [state for state in self._fresh_living() if self._is_active(state.url)]

    def _fresh_living(self) -> list[NodeState]:
        wanted = self._view.own.replication_factor
        return [s for s in self._view.living() if is_fresh(s) and s.replication_factor == wanted]

    def _is_active(self, url: str) -> bool:
        return self._view.status(url) is Status.ACTIVE

    def _own_member(self) -> Member:
        own = self._view.own
        return Member(self._topology_store.node_id, own.url, own.zone, own.virtual_nodes)


def is_fresh(state: NodeState) -> bool:
    """Whether a node reports that it belongs to no cluster and wants to join one."""
    return bool(state.node_id) and not state.cluster_id and not state.has_left


def member_of(state: NodeState) -> Member:
    """A node as a member."""
    return Member(state.node_id, state.url, state.zone, state.virtual_nodes)
