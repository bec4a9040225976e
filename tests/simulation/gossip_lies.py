"""What a stranger says by gossip of the members of a cluster, and of nodes that don't exist.

It owns these lies. It must never send an honest message.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from limedb.cluster.gossip.bounds import MAX_AHEAD_MS
from limedb.cluster.gossip.view import ClusterView
from limedb.core.membership import MAX_HEARTBEAT, Digest, NodeState

FAR = (1 << 64) - 1


def false_gossip(rng: Random, view: ClusterView, now_ms: int) -> Callable[[Any], Any]:
    """A message to a node, of which the view is known: it is called with the node's program."""
    if rng.random() < 0.3:
        names = [f"http://made-up{rng.randrange(10_000)}:8484" for _ in range(50)]
        digests = [Digest(url, now_ms, 1) for url in [*names, "", "://x", *view.urls]]
        return _sent(
            lambda p: p.on_syn([replace(d, generation=rng.choice([0, now_ms, FAR])) for d in digests])
        )
    states = [_false_state(rng, view.state(url), now_ms) for url in view.urls]
    return _sent(lambda p: p.on_ack2(states))


def _false_state(rng: Random, true: NodeState, now_ms: int) -> NodeState:
    generation = rng.choice([true.generation, now_ms, now_ms + MAX_AHEAD_MS - 60_000, FAR])
    newest = replace(true, generation=generation, heartbeat=rng.choice([true.heartbeat + 1, MAX_HEARTBEAT]))
    lies: list[dict[str, Any]] = [
        {"node_id": f"other-{rng.randrange(3)}"},
        {"node_id": "other", "cluster_id": "", "epoch": 0, "has_data": False},
        {"cluster_id": f"{rng.getrandbits(64):016x}", "has_data": True},
        {"epoch": true.epoch + rng.choice([1, 1000, 1 << 47, FAR])},
        {"epoch": true.epoch + 1, "has_data": False},
        {"has_left": True},
        {"address": rng.choice(["elsewhere:1", "unix:/x", "169.254.169.254:80", "node0:8484"])},
        {"replication_factor": 1},
        {"virtual_nodes": 4096, "zone": "elsewhere"},
        {},
    ]
    return replace(newest, **rng.choice(lies))


def _sent(lie: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def send(program: Any) -> None:
        lie(program)

    return send
