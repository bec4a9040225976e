"""The cluster as gossip shows it to this node: who is there, and how they do.

It owns the membership and the detector, and keeps the two in step. It must never reach for a peer
(`cluster/gossiper.py`), nor say who owns what (`cluster/charter.py`): an opinion of who is alive changes
no ownership.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from limedb.cluster.report import GossipReport, PeerReport, StateReport
from limedb.config import address_of
from limedb.core.detector import Detector, Status
from limedb.core.membership import Ack, Digest, Membership, NodeState
from limedb.errors import StoreError
from limedb.ports import Clock


def _nothing() -> Mapping[str, Any]:
    return {}


class ClusterView:
    """All nodes that gossip knows.

    own: this node; its generation is the start of the process. gossip_interval: in seconds, the same on all
    nodes. tell: asked at each heartbeat for the fields of the own NodeState that change.
    """

    def __init__(
        self,
        own: NodeState,
        clock: Clock,
        *,
        gossip_interval: float,
        tell: Callable[[], Mapping[str, Any]] = _nothing,
    ) -> None:
        self.own_url = own.url
        self._clock, self._tell = clock, tell
        self._membership = Membership(own)
        self._detector = Detector(gossip_interval)
        self._dead_since: dict[str, float] = {}
        self._named_at = clock.monotonic()

    # --- what the rest of the node asks

    @property
    def urls(self) -> tuple[str, ...]:
        """All known nodes, this one included, sorted."""
        return self._membership.urls

    def peers(self) -> tuple[str, ...]:
        """The URLs of the other nodes, sorted."""
        return tuple(url for url in self._membership.urls if url != self.own_url)

    def state(self, url: str) -> NodeState:
        """What a node told of itself; nothing but its URL when it wasn't heard."""
        return self._membership.state(url) or NodeState(url)

    def living(self) -> list[NodeState]:
        """What those peers told that were heard and aren't taken for dead."""
        states = [self.state(url) for url in self.peers() if self.status(url) is not Status.DEAD]
        return [state for state in states if state.generation > 0]

    def address(self, url: str) -> str:
        """The host:port to dial a node: what it told, else what its URL says. ValueError: no node URL."""
        return self.state(url).address or address_of(url)

    def status(self, url: str) -> Status:
        """What a node is taken for; oneself is active. LookupError: it isn't known."""
        if url == self.own_url:
            return Status.ACTIVE
        return self._detector.status(url, self._clock.monotonic())

    def dead_for(self, url: str) -> float:
        """For how many seconds `judge` has found a node dead; 0: it isn't, or isn't known."""
        since = self._dead_since.get(url)
        return 0.0 if since is None else max(0.0, self._clock.monotonic() - since)

    @property
    def named_for(self) -> float:
        """For how many seconds no new name has come."""
        return self._clock.monotonic() - self._named_at

    def gossip_report(self) -> GossipReport:
        """What was heard of the others."""
        return GossipReport(self._membership.own, tuple(self._peer(url) for url in self.peers()))

    def state_report(self) -> StateReport:
        """The cluster in short."""
        peers = self.peers()
        active = sum(self.status(url) is Status.ACTIVE for url in self.urls)
        return StateReport(self._membership.own, peers, len(peers) + 1, active)

    def _peer(self, url: str) -> PeerReport:
        return PeerReport(self.state(url), self._detector.lag(url, self._clock.monotonic()), self.status(url))

    # --- what gossip does

    @property
    def own(self) -> NodeState:
        """The state of this node, as gossip tells it."""
        return self._membership.own

    def beat(self) -> None:
        """Raise the own heartbeat and tell what changed; a store that fails stops no heartbeat."""
        try:
            told = self._tell()
        except StoreError:
            told = {}
        self._membership.beat(**told)

    def judge(self) -> dict[str, Status]:
        """What all peers are taken for now; `dead_for` counts from the first time that it was dead."""
        now = self._clock.monotonic()
        statuses = {url: self.status(url) for url in self.peers()}
        for url, status in statuses.items():
            if status is Status.DEAD:
                self._dead_since.setdefault(url, now)
            else:
                self._dead_since.pop(url, None)
        return statuses

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
        """Let the detector follow what gossip brought."""
        news, now = self._membership.take_news(), self._clock.monotonic()
        for url in news.joined:
            self._detector.watch(url, now)
            self._named_at = now
        for url in news.advanced:
            self._detector.heard(url, now)
            self._dead_since.pop(url, None)
