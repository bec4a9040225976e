"""A node's peers as a fault has them: their replicas are asked through something that does a call wrong.

It owns the way there; the node's own replica is asked as ever.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from limedb.engine import World
from limedb.ports import Replica, Replicas


class Passing:
    """`ports.Replica` that passes all on to `inner`; a subclass does a call otherwise."""

    def __init__(self, inner: Replica) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Peers:
    """`ports.Replicas`. kind: makes a peer's replica of what it is."""

    def __init__(self, inner: Replicas, own: Replica, kind: Callable[[Replica], Any]) -> None:
        self._inner, self._own, self._kind = inner, own, kind

    def at(self, node_url: str) -> Replica:
        replica = self._inner.at(node_url)
        if replica is self._own:
            return replica
        peer: Replica = self._kind(replica)
        return peer

    def is_reachable(self, node_url: str) -> bool:
        return self._inner.is_reachable(node_url)

    def absence(self, node_url: str) -> str:
        return self._inner.absence(node_url)


def among_peers(kind: Callable[[Replica], Any], world: World) -> World:
    """A world whose peers are asked through `kind`."""
    return replace(world, connect=lambda engine: Peers(world.connect(engine), engine.replica, kind))
