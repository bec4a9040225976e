"""The sources of the figures of a node's telemetry.

It owns that list. It must never count.
"""

from collections.abc import Callable, Mapping

from limedb import __version__
from limedb.config import Config
from limedb.observability.figures import Figures
from limedb.observability.telemetry import Source
from limedb.ports import Store
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
