"""The cluster as gossip shows it to this node: which nodes exist, and their state.

It owns the membership and the detector, and keeps the two in step. It must never contact a peer
(`cluster/gossip/gossiper.py`), nor decide ownership (`cluster/topology/store.py`): an opinion of which nodes
are alive changes no ownership.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from limedb.cluster.gossip.bounds import is_generation
from limedb.cluster.gossip.hearsay import Check, Hearsay
from limedb.core.detector import Detector, Status
from limedb.core.membership import Ack, Digest, Membership, NodeState
from limedb.core.node_urls import address_of
from limedb.core.report import GossipReport, PeerReport, StateReport
from limedb.errors import StoreError
from limedb.ports import Clock

FORGET_SECONDS = 30.0
"""How long a node that isn't a member may be dead before it is forgotten."""


def _nothing() -> Mapping[str, Any]:
    return {}


class ClusterView:
    """All nodes that gossip knows.

    own: this node; its generation is the start of the process. clock: its wall clock is the cluster's time.
    gossip_interval: in seconds, the same on all nodes. own_fields: returns, at each heartbeat, the fields of
    the own NodeState that change. members: the node_id of each member of the topology, by URL; empty while
    there is no topology.
    hearsay_class: of the judgement of what gossip brings.
    """

    hearsay_class = Hearsay

    def __init__(
        self,
        own: NodeState,
        clock: Clock,
        *,
        gossip_interval: float,
        own_fields: Callable[[], Mapping[str, Any]] = _nothing,
        members: Callable[[], Mapping[str, str]] = _nothing,
    ) -> None:
        self.own_url = own.url
        self._clock, self._own_fields = clock, own_fields
        self._membership, self._members = Membership(own), members
        self._hearsay = self.hearsay_class(
            self._membership, clock, own.address or address_of(own.url), members
        )
        self._detector = Detector(gossip_interval)
        self._dead_since: dict[str, float] = {}
        self._named_at = clock.monotonic()

    # --- queries of the rest of the node

    @property
    def urls(self) -> tuple[str, ...]:
        """All known nodes, this one included, sorted."""
        return self._membership.urls

    def peers(self) -> tuple[str, ...]:
        """The URLs of the other nodes, sorted."""
        return tuple(url for url in self._membership.urls if url != self.own_url)

    def state(self, url: str) -> NodeState:
        """A node's report of itself; only its URL if it wasn't heard."""
        return self._membership.state(url) or NodeState(url)

    def living(self) -> list[NodeState]:
        """The reports of the peers that were heard and aren't taken to be dead."""
        states = [self.state(url) for url in self.peers() if self.status(url) is not Status.DEAD]
        return [state for state in states if state.generation > 0]

    def address(self, url: str) -> str:
        """The host:port to dial a node: the one it reported, else that of its URL. ValueError: it isn't a
        node URL.
        """
        return self._hearsay.address(url)

    def reached(self, url: str) -> bool:
        """Whether a node with that name has answered since the start, even if under another name."""
        return self._hearsay.reached(url)

    def status(self, url: str) -> Status:
        """The state that a node is taken to be in; this node itself is active. LookupError: the node is
        unknown.
        """
        if url == self.own_url:
            return Status.ACTIVE
        return self._detector.status(url, self._clock.monotonic())

    def silence(self, url: str) -> float:
        """For how many seconds a peer's heartbeat has not advanced. LookupError: the peer is unknown."""
        return self._detector.lag(url, self._clock.monotonic())

    def dead_for(self, url: str) -> float:
        """For how many seconds `judge` has found a node dead; 0: it isn't dead, or is unknown."""
        since = self._dead_since.get(url)
        return 0.0 if since is None else max(0.0, self._clock.monotonic() - since)

    @property
    def named_for(self) -> float:
        """For how many seconds no new name has come."""
        return self._clock.monotonic() - self._named_at

    def gossip_report(self) -> GossipReport:
        """The state of the other nodes, as heard."""
        peers = tuple(self._peer(url) for url in self.peers())
        return GossipReport(self._membership.own, peers, frozenset(self._members()))

    def state_report(self) -> StateReport:
        """The cluster in short."""
        peers = self.peers()
        active = sum(self.status(url) is Status.ACTIVE for url in self.urls)
        return StateReport(self._membership.own, peers, len(peers) + 1, active)

    def _peer(self, url: str) -> PeerReport:
        return PeerReport(self.state(url), self.silence(url), self.status(url))

    # --- the changes by gossip

    @property
    def own(self) -> NodeState:
        """The state of this node, as gossip spreads it."""
        return self._membership.own

    def heartbeat(self) -> None:
        """Raise the own heartbeat and take the changed fields; a failing store stops no heartbeat.

        A generation that lies too far ahead is replaced: the clock was wrong at the start, and no peer
        believes it, so this node would be dead for them until its next start.
        """
        try:
            changes = dict(self._own_fields())
        except StoreError:
            changes = {}
        if not is_generation(self.own.generation, now_ms := self._clock.wall_ms()):
            changes["generation"] = now_ms
        self._membership.heartbeat(**changes)

    def judge(self) -> dict[str, Status]:
        """The states that all peers are taken to be in now; `dead_for` counts from a peer's first time as
        dead.
        """
        now = self._clock.monotonic()
        statuses = {url: self.status(url) for url in self.peers()}
        for url, status in statuses.items():
            if status is Status.DEAD:
                self._dead_since.setdefault(url, now)
            else:
                self._dead_since.pop(url, None)
        self._forget_dead(now)
        return statuses

    def _forget_dead(self, now: float) -> None:
        """Forget nodes that aren't members and have been dead for long, if there is a topology."""
        if members := self._members():
            for url in [u for u, since in self._dead_since.items() if now - since >= FORGET_SECONDS]:
                if url not in members:
                    self._hearsay.forget(url)
            self._absorb()

    def add(self, urls: Iterable[str]) -> None:
        """Make nodes known by their names."""
        for url in urls:
            self._membership.add(url)
        self._absorb()

    def digests(self, to: str = "") -> tuple[Digest, ...]:
        """The content of a SYN to a node: how new the knowledge is of each node that has answered for itself.
        If the knowledge of the receiver itself isn't certain, the SYN claims none of it: then the receiver
        sends all.
        """
        known = [digest for digest in self._membership.digests() if digest.generation and digest.url != to]
        if to and to != self.own_url:
            is_sure = self._hearsay.is_proven(to)
            state = self.state(to)
            known.append(Digest(to, state.generation, state.heartbeat) if is_sure else Digest(to, 0, 0))
        return tuple(known)

    def on_syn(self, digests: Iterable[Digest]) -> Ack:
        """The answer to a SYN, about the nodes that have answered for themselves."""
        received = tuple(digests)
        ack = self._membership.on_syn(self._hearsay.digests(received))
        self._absorb()
        updates = tuple(state for state in ack.updates if state.generation)
        return Ack(updates, ack.requests + self._hearsay.wanted(received), name=self.own_url)

    def on_ack(self, ack: Ack, url: str, dialled: str) -> tuple[NodeState, ...]:
        """Merge the ACK of the node with that URL, dialled at that address, and return the content of the
        ACK2.
        """
        self._hearsay.answered(url, dialled, ack)
        states, requests = self._hearsay.states(ack.updates), self._hearsay.digests(ack.requests)
        updates = self._membership.on_ack(Ack(tuple(states), tuple(requests)))
        self._absorb()
        return updates

    def on_ack2(self, updates: Iterable[NodeState]) -> None:
        """Merge the states of an ACK2."""
        self._membership.on_ack2(self._hearsay.states(updates))
        self._absorb()

    # --- the questions to nodes known by hearsay

    def next_check(self) -> Check | None:
        """As Hearsay.next_check."""
        return self._hearsay.next_check()

    def checked(self, check: Check) -> None:
        """As Hearsay.checked."""
        self._hearsay.checked(check)

    def is_sure(self, url: str) -> bool:
        """Whether the node has answered for itself, and no hearsay contradicts it since."""
        return self._hearsay.is_proven(url)

    def hint(self, url: str) -> str:
        """As Hearsay.hint."""
        return self._hearsay.hint(url)

    def hint_failed(self, url: str) -> None:
        """As Hearsay.hint_failed."""
        self._hearsay.hint_failed(url)

    def _absorb(self) -> None:
        """Let the detector follow what gossip brought."""
        news, now = self._membership.take_news(), self._clock.monotonic()
        for url in news.joined:
            self._detector.watch(url, now)
            self._named_at = now
        for url in news.advanced:
            self._detector.heard(url, now)
            self._dead_since.pop(url, None)
        if len(self._detector.watched) >= len(
            self._membership
        ):  # one was forgotten; this node itself isn't watched
            for url in set(self._detector.watched) - set(self._membership.urls):
                self._detector.forget(url)
                self._dead_since.pop(url, None)
