"""What ClusterService and AdminService show and steer, as Protocol classes.

It owns the words between them and the rest of the node, which hands over what fits. It must never hold code
that does anything.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from limedb.aio.aside import Compute, compute_here
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

Phase = Literal["starting", "active", "draining"]


class View(Protocol):
    """What gossip knows."""

    @property
    def own_url(self) -> str:
        """The node that tells."""

    def gossip_report(self) -> GossipReport:
        """What was heard of the others."""


class Scrubs(Protocol):
    """Who reads all that is stored."""

    def scrub_all(self) -> AsyncIterator[ScrubProgress]:
        """Read everything now; tell how far it is."""


class Repairs(Protocol):
    """Who makes replicas equal."""

    def repair_all(self) -> AsyncIterator[RepairProgress]:
        """Compare all ranges of the node with their other owners, now; tell how far it is."""


class TopologySteering(Protocol):
    """Who changes the topology. Each raises TopologyChangeError, UnavailableError, RequestTimeoutError."""

    async def plan_join(self, url: str, zone: str, virtual_nodes: int) -> ChangePlan:
        """What would move if a node joined."""

    async def decommission(self, url: str, dry_run: bool) -> ChangePlan:
        """Let a node leave."""

    async def remove(self, url: str, dry_run: bool) -> ChangePlan:
        """Take a dead node out."""

    async def cancel(self, dry_run: bool) -> ChangePlan:
        """Give up the change that runs."""

    async def change_status(self) -> ChangeStatus | None:
        """The change that runs; None: none does."""


@dataclass(frozen=True, slots=True)
class ClusterSources:
    """What the cluster's reports are made of; each is asked at each report.

    phase: of the node's life. problem: why it takes no requests, empty while it does. health: its figures.
    load: those of them that it tells the others. change: the change of the topology that runs.
    clock_offsets: how far others' wall clocks are ahead of the own one, in ms, by URL. hints: bytes that wait
    for others, by URL. repair: what was repaired. rot: what was found damaged.
    warnings: what is wrong although it takes requests, a sentence each. compute: does what takes long.
    watch_wait_ms: how long it does not count for watches yet.
    """

    view: View
    placement: Placement
    replicas: Replicas
    clock: Clock
    phase: Callable[[], Phase]
    problem: Callable[[], str]
    health: Callable[[], NodeHealth]
    load: Callable[[], NodeLoad]
    change: Callable[[], Awaitable[ChangeStatus | None]]
    clock_offsets: Callable[[], Mapping[str, int]]
    hints: Callable[[], Mapping[str, int]]
    repair: Callable[[], RepairStats]
    rot: Callable[[], RotFigures]
    warnings: Callable[[], Iterable[str]] = tuple
    compute: Compute = compute_here
    watch_wait_ms: Callable[[], int] = int
