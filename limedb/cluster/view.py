"""The cluster as this node sees it: who is there, how they do, and which of them owns a key.

It owns the membership, the detector and the ring, and keeps the three in step. It must never reach for a
peer (`cluster/gossiper.py`), nor let an opinion of who is alive change who owns what.
"""

from collections.abc import Callable, Iterable

from limedb.cluster.report import GossipReport, PeerReport, StateReport
from limedb.config import address_of
from limedb.core.detector import Detector, Status
from limedb.core.membership import Ack, Digest, Membership, NodeState
from limedb.core.ring import Ring, token_of
from limedb.errors import StoreError
from limedb.ports import Clock


class ClusterView:
    """All known nodes. It is a `Placement`: the ring is made of them all, and each key has one owner.

    own: this node; its generation is the start of the process. gossip_interval: in seconds, the same on all
    nodes. virtual_nodes: points a node. keys: asked at each heartbeat for how many keys are held.
    """

    def __init__(
        self,
        own: NodeState,
        clock: Clock,
        *,
        gossip_interval: float,
        virtual_nodes: int,
        keys: Callable[[], int] = lambda: 0,
    ) -> None:
        self.own_url = own.url
        self._clock, self._keys = clock, keys
        self._membership = Membership(own)
        self._detector = Detector(gossip_interval)
        self._ring = Ring([own.url], virtual_nodes)

    # --- what the rest of the node asks

    @property
    def ring(self) -> Ring:
        """The ring of all known nodes; replaced whole when their set changes."""
        return self._ring

    def owner(self, key: str) -> str:
        """The URL of the node that owns a key."""
        return self._ring.owner(token_of(key))

    def peers(self) -> tuple[str, ...]:
        """The URLs of the other nodes, sorted."""
        return tuple(url for url in self._ring.nodes if url != self.own_url)

    def address(self, url: str) -> str:
        """The host:port to dial a node: what it told, else what its URL says. ValueError: no node URL."""
        state = self._membership.state(url)
        return (state and state.address) or address_of(url)

    def status(self, url: str) -> Status:
        """What a node is taken for; oneself is active. LookupError: it isn't known."""
        if url == self.own_url:
            return Status.ACTIVE
        return self._detector.status(url, self._clock.monotonic())

    def gossip_report(self) -> GossipReport:
        """What was heard of the others."""
        return GossipReport(self._membership.own, tuple(self._peer(url) for url in self.peers()))

    def state_report(self) -> StateReport:
        """The cluster in short."""
        peers = self.peers()
        active = sum(self.status(url) is Status.ACTIVE for url in self._ring.nodes)
        return StateReport(self._membership.own, peers, len(peers) + 1, active)

    def _peer(self, url: str) -> PeerReport:
        state = self._membership.state(url) or NodeState(url)
        return PeerReport(state, self._detector.lag(url, self._clock.monotonic()), self.status(url))

    # --- what gossip does

    @property
    def own(self) -> NodeState:
        """The state of this node, as gossip tells it."""
        return self._membership.own

    def beat(self) -> None:
        """Raise the own heartbeat and tell how many keys are held; a store that fails stops no heartbeat."""
        try:
            self._membership.beat(self._keys())
        except StoreError:
            self._membership.beat()

    def know(self, urls: Iterable[str]) -> None:
        """Make nodes known by their names."""
        for url in urls:
            self._membership.know(url)
        self._absorb()

    def digests(self) -> tuple[Digest, ...]:
        """What a SYN carries."""
        return self._membership.digests()

    def on_syn(self, digests: Iterable[Digest]) -> Ack:
        """The answer to a SYN."""
        ack = self._membership.on_syn(digests)
        self._absorb()
        return ack

    def on_ack(self, ack: Ack) -> tuple[NodeState, ...]:
        """Merge an ACK; what the ACK2 carries."""
        updates = self._membership.on_ack(ack)
        self._absorb()
        return updates

    def on_ack2(self, updates: Iterable[NodeState]) -> None:
        """Merge the states of an ACK2."""
        self._membership.on_ack2(updates)
        self._absorb()

    def _absorb(self) -> None:
        """Let the detector and the ring follow what gossip brought."""
        news, now = self._membership.take_news(), self._clock.monotonic()
        for url in news.joined:
            self._detector.watch(url, now)
        for url in news.advanced:
            self._detector.heard(url, now)
        if news.joined:
            self._ring = Ring(self._membership.urls, self._ring.virtual_nodes)
