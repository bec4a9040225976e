"""The first topology that a fresh node may believe.

It owns that judgement. It must never ask a node, nor judge a topology that follows a known one: `verifier.py`
does.

A fresh node knows no epoch, so it has no voters of its own to ask. A single member, such as the thief of its
certificate, could make up a cluster of itself and of the new node, and confirm it: the new node would serve
there, and take writes that the true cluster never sees. So the node first hears the nodes that its settings
name, and then believes a claim only if no other cluster has more of the nodes that it hears. Each of these
reports its own cluster (`gossip/hearsay.py`). A node that hears only one other believes that one: with one
name in NODE_PEERS it trusts that node.

Tested in tests/cluster/topology/test_verifier.py and tests/tls/test_false_founder.py.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from limedb.cluster.gossip.view import ClusterView
from limedb.core.topology import Topology
from limedb.ports import Clock

SEED_SECONDS = 3.0
"""How long it waits for the nodes that its settings name."""
LOOK_SECONDS = 0.05


class FirstClaims:
    """Judges claims while the node is fresh. seeds: the URLs that its settings name."""

    def __init__(self, view: ClusterView, clock: Clock, seeds: Sequence[str]) -> None:
        self._view, self._clock = view, clock
        self._seeds = [url for url in seeds if url != view.own_url]
        self._started = clock.monotonic()

    def knows(self, node_url: str) -> bool:
        """Whether a node was named, or is known by gossip."""
        return node_url in self._seeds or node_url in self._view.urls

    async def may_be_ours(self, claim: Topology) -> bool:
        """Whether a claim is of the cluster to which most of the nodes that are heard belong."""
        await self._hear_seeds()
        heard = Counter(state.cluster_id for state in self._view.living() if state.cluster_id)
        return heard[claim.cluster_id] >= max(heard.values(), default=0)

    async def _hear_seeds(self) -> None:
        while self._clock.monotonic() - self._started < SEED_SECONDS:
            if all(map(self._view.reached, self._seeds)):
                return
            await asyncio.sleep(LOOK_SECONDS)
