"""Nodes that gossip through memory, over a network that can cut, hang, lose and delay.

It owns the wires of a test. Model: `mock_transport.go` in hashicorp/memberlist.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from limedb.cluster.gossip.gossiper import Gossiper
from limedb.cluster.gossip.view import ClusterView
from limedb.core.detector import Status
from limedb.core.membership import Ack, Digest, NodeState
from limedb.errors import UnavailableError
from tests.cluster.virtual import VirtualClock


class Stoppable(Protocol):
    @property
    def url(self) -> str: ...

    @property
    def gossiper(self) -> Gossiper: ...

    async def stop(self) -> None: ...


NodeT = TypeVar("NodeT", bound=Stoppable)


def url_of(i: int) -> str:
    return f"http://node{i}:8484"


class SimulatedNode:
    """One node: its view and its gossiper, running as a task while it lives."""

    def __init__(
        self, network: "Network", url: str, seeds: Sequence[str], interval: float, offset_ms: int
    ) -> None:
        clock = VirtualClock(offset_ms)
        own = NodeState(url, clock.wall_ms(), version="test")
        self.url = url
        self.keys = 0
        self.view = ClusterView(own, clock, gossip_interval=interval, own_fields=lambda: {"keys": self.keys})
        self.transport = Transport(network, url)
        self.gossiper = Gossiper(
            self.view,
            self.transport,
            clock,
            interval=interval,
            seeds=seeds,
            rng=Random(f"{network.seed} {url}"),
        )
        self.task = asyncio.create_task(self.gossiper.run(), name=url)

    def sees(self, status: Status) -> set[str]:
        """The peers that it takes for that."""
        return {url for url in self.view.peers() if self.view.status(url) is status}

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


class Wires(Generic[NodeT]):
    """The nodes by URL, and what is wrong between them; leaving it stops all nodes.

    delay: the most seconds that a message takes. loss: the share of messages that get lost. cut: pairs of
    URLs that don't reach each other. hanging: URLs that take messages and never answer.
    """

    def __init__(self, seed: int = 1, delay: float = 0.01, loss: float = 0.0) -> None:
        self.seed, self.delay, self.loss = seed, delay, loss
        self.rng = Random(seed)
        self.nodes: dict[str, NodeT] = {}
        self.cut: set[frozenset[str]] = set()
        self.hanging: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for url in list(self.nodes):
            await self.kill(url)

    async def kill(self, url: str) -> None:
        await self.nodes.pop(url).stop()

    def split(self, left: Iterable[NodeT], right: Iterable[NodeT]) -> None:
        """Cut every wire between two groups."""
        others = [node.url for node in right]
        self.cut |= {frozenset((node.url, other)) for node in left for other in others}

    async def carry(self, source: str, target: str) -> NodeT:
        """Take a message over a wire; the node at its end. UnavailableError: it didn't get there."""
        await asyncio.sleep(self.rng.uniform(0, self.delay))
        if target in self.hanging:
            await asyncio.sleep(1e9)
        node = self.nodes.get(target)
        if node is None or frozenset((source, target)) in self.cut or self.rng.random() < self.loss:
            raise UnavailableError(f"no way from {source} to {target}")
        return node

    def reaches(self, source: str, target: str) -> bool:
        """Whether there is a way."""
        return (
            target in self.nodes
            and target not in self.hanging
            and (frozenset((source, target)) not in self.cut)
        )


class Network(Wires[SimulatedNode]):
    """Nodes that gossip and do nothing else."""

    def start(
        self, i: int, seeds: Iterable[int] = (), *, interval: float = 1.0, offset_ms: int = 0
    ) -> SimulatedNode:
        url = url_of(i)
        node = SimulatedNode(self, url, [url_of(s) for s in seeds], interval, offset_ms)
        self.nodes[url] = node
        return node


class Transport:
    """A node's `GossipTransport` over the network. `calls`: URLs in the order of their SYNs."""

    def __init__(self, network: "Wires[Any]", url: str) -> None:
        self._network, self._url = network, url
        self.calls: list[str] = []
        self.open = 0

    async def syn(self, url: str, digests: Sequence[Digest], timeout: float) -> Ack:
        self.calls.append(url)
        self.open += 1
        try:
            return (await self._network.carry(self._url, url)).gossiper.on_syn(digests)
        finally:
            self.open -= 1

    async def dial(self, url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        return await self.syn(f"http://{address}", digests, timeout)

    async def ack2(self, url: str, updates: Sequence[NodeState], timeout: float) -> None:
        (await self._network.carry(self._url, url)).gossiper.on_ack2(updates)
