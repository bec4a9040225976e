"""The parts of the node that ClusterService and AdminService show and control, as Protocol classes.

It owns the interface between them and the rest of the node. It must never contain code that does anything.

Tested in tests/rpc/server/test_peer_states.py.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from limedb.aio.aside import Compute, compute_here
from limedb.core.cluster_events import EventLog
from limedb.core.history import History
from limedb.core.membership import NodeLoad
from limedb.core.report import (
    ChangePlan,
    ChangeStatus,
    GossipReport,
    RepairProgress,
    RepairStats,
    RotFigures,
    ScrubProgress,
)
from limedb.ports import Clock, NodeHealth, Placement, Replicas
from limedbpb.v1 import cluster_pb2

Phase = Literal["starting", "active", "draining"]


class View(Protocol):
    """The view of gossip."""

    @property
    def own_url(self) -> str:
        """The URL of this node."""

    def gossip_report(self) -> GossipReport:
        """The state of the other nodes, as heard."""


class Scrubs(Protocol):
    """Checks all stored records."""

    def scrub_all(self) -> AsyncIterator[ScrubProgress]:
        """Check everything now; yields the progress."""


class Repairs(Protocol):
    """Makes replicas equal."""

    def repair_all(self) -> AsyncIterator[RepairProgress]:
        """Compare all ranges of the node with their other owners now; yields the progress."""


class TopologySteering(Protocol):
    """Changes the topology. Each method raises TopologyChangeError, UnavailableError, RequestTimeoutError."""

    async def plan_join(self, url: str, zone: str, virtual_nodes: int) -> ChangePlan:
        """The effect of a node's join."""

    async def decommission(self, url: str, dry_run: bool) -> ChangePlan:
        """Let a node leave."""

    async def remove(self, url: str, dry_run: bool) -> ChangePlan:
        """Take a dead node out."""

    async def cancel(self, dry_run: bool) -> ChangePlan:
        """Give up the running change."""

    async def change_status(self) -> ChangeStatus | None:
        """The running change; None: there is none."""


async def _none(_node_url: str) -> tuple[str, ...]:
    return ()


AskHistory = Callable[[str, cluster_pb2.GetHistoryRequest, float], Awaitable[cluster_pb2.GetHistoryResponse]]
"""Asks the node at a URL for its own part of the last day, within some seconds. LimeDBError: no answer."""


async def _no_history(
    _node_url: str, _request: cluster_pb2.GetHistoryRequest, _seconds: float
) -> cluster_pb2.GetHistoryResponse:
    return cluster_pb2.GetHistoryResponse()


@dataclass(frozen=True, slots=True)
class ClusterSources:
    """The sources of the cluster's reports, called for each report."""

    view: View
    placement: Placement
    replicas: Replicas
    clock: Clock
    phase: Callable[[], Phase]
    """The phase of the node's life."""
    problem: Callable[[], str]
    """Why the node takes no requests; empty while it does."""
    health: Callable[[], NodeHealth]
    """The node's figures."""
    load: Callable[[], NodeLoad]
    """The figures that the node sends to others."""
    change: Callable[[], Awaitable[ChangeStatus | None]]
    """The running change of the topology."""
    clock_offsets: Callable[[], Mapping[str, int]]
    """How far others' wall clocks are ahead of the own one, in ms, by URL."""
    hints: Callable[[], Mapping[str, int]]
    """Bytes of hints waiting for others, by URL."""
    repair: Callable[[], RepairStats]
    """The work of repair."""
    rot: Callable[[], RotFigures]
    """The damage found."""
    warnings: Callable[[], Iterable[str]] = tuple
    """Problems that don't keep the node from taking requests, a sentence each."""
    public_warnings: Callable[[], Iterable[str]] = tuple
    """The same for those who may not know all keys and files."""
    compute: Compute = compute_here
    """Runs long computations."""
    founded_ms: Callable[[], int] = int
    """When the cluster was founded, milliseconds since 1970; 0: unknown."""
    watch_wait_ms: Callable[[], int] = int
    """For how long the node doesn't count for watches yet."""
    problems_of_peer: Callable[[str], Awaitable[tuple[str, ...]]] = _none
    """Asks another node for its own problems and warnings. LimeDBError: it doesn't answer."""
    figures: History = field(default_factory=History)
    """The node's figures of the last day."""
    events: EventLog = field(default_factory=lambda: EventLog(""))
    """What the node has seen happen."""
    history_of_peer: AskHistory = _no_history
