"""The sources of the figures of a node's telemetry.

It owns that list. It must never count.
"""

from collections.abc import Callable, Mapping

from limedb import __version__
from limedb.config import Config
from limedb.observability.figures import Figures
from limedb.observability.telemetry import Source
from limedb.ports import Store
from limedb.rpc.server.limits import Limits
from limedb.rpc.server.memory import Memory


def telemetry_source(
    config: Config,
    figures: Figures,
    memory: Memory,
    store: Store,
    days_left: Callable[[], Mapping[str, float]],
    limits: Callable[[], Mapping[tuple[str, str], int]],
) -> Source:
    """The sources of a node's metrics. days_left: of its certificates. limits: counts their refusals."""
    return Source(
        config.node_url,
        __version__,
        config.zone,
        figures.requests,
        lambda: figures.peers,
        lambda: figures.stored,
        lambda: {share.name: (share.held, share.refused) for share in memory.shares},
        store.damage.counts,
        days_left,
        lambda: {**limits(), ("MAX_CALLS", "node"): memory.calls.counted.refused},
    )


def _a(kind: str) -> str:
    """The kind of a limit's bearer with its article."""
    return f"an {kind}" if kind[0] in "aeiou" else f"the {kind}"


def refusals(memory: Memory, limits: Limits) -> dict[str, int]:
    """How much a node has refused since its start, by the reason in words."""
    full = {f"there was no memory for {share.name}": share.refused for share in memory.shares}
    reached = {
        f"the limit {name} of {_a(kind)} was reached": count
        for (name, kind), count in limits.counts().items()
    }
    calls = {"MAX_CALLS of the node was reached": memory.calls.counted.refused}
    return {reason: count for reason, count in (full | reached | calls).items() if count}
