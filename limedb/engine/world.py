"""The settings of an engine, and its outside: stores, clock, transports.

Tested in tests/simulation/test_cluster.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from limedb.aio.aside import Compute, compute_here
from limedb.core.membership import NodeLoad
from limedb.core.quorum import Level
from limedb.ports import (
    Clock,
    GossipTransport,
    HintLog,
    NodeFile,
    OperationLog,
    Replicas,
    Store,
    TimeMark,
    TopologyTransport,
)
from limedb.replication.repair.owed import OwedMark
from limedb.replication.repair.scrubber import ScrubMark
from limedb.replication.watch.watcher import MAX_REPORTED

if TYPE_CHECKING:
    from limedb.engine.engine import Engine


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an engine; see config.SETTINGS. Times are in seconds."""

    node_url: str
    address: str = ""
    """The host:port that peers dial."""
    seeds: tuple[str, ...] = ()
    """URLs of other nodes."""
    zone: str = ""
    version: str = ""
    virtual_nodes: int = 256
    replication_factor: int = 3
    level: Level = Level.QUORUM
    gossip_interval: float = 1.0
    may_found: bool = True
    """Whether it may found a cluster."""
    dead_node_timeout: float = 600.0
    tombstone_grace: float = 86_400.0
    max_clock_skew: float = 0.5
    repair_interval: float = 600.0
    scrub_interval: float = 604_800.0
    max_read_size: int = 4 << 20
    """The most bytes of values in one answer."""
    max_reported: int = MAX_REPORTED
    """The number of keys of which watches remember their last report."""


@dataclass(frozen=True, slots=True)
class World:
    """The outside of an engine."""

    store: Store
    node_file: NodeFile
    hints: HintLog
    operations: OperationLog
    clock: Clock
    rng: Random
    gossip: GossipTransport
    topology: TopologyTransport
    connect: "Callable[[Engine], Replicas]"
    """Makes the directory of all replicas around the own one."""
    load: Callable[[], NodeLoad | None] = lambda: None
    """Returns the node's load; None: it isn't reported."""
    scrub_mark: ScrubMark | None = None
    """The progress of scrubbing."""
    refused_mark: OwedMark | None = None
    """Whether writes were refused for lack of room."""
    lost_hints_mark: OwedMark | None = None
    """Whether hints were lost."""
    time_mark: TimeMark | None = None
    """The last time that the node had."""
    compute: Compute = compute_here
    """Runs long computations beside the event loop."""
