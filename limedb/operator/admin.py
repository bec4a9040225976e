"""AdminService from outside a node, for `limedb admin`.

It owns the answers as values. It blocks, and must never run in a node.

Tested in tests/operator/test_silence.py and tests/cli/test_admin.py.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from google.protobuf.json_format import MessageToDict

from limedb.core.report import ChangePlan, ChangeStatus, Move, Progress
from limedb.core.topology import Phase
from limedb.core.visible import json_text
from limedb.errors import LimeDBError
from limedb.operator.calls import Caller
from limedb.operator.connections import connection
from limedb.tls.target import Target, target_of
from limedb.wire.channels import options_for
from limedbpb.v1 import admin_pb2, admin_pb2_grpc, cluster_pb2


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node as another sees it. standing: empty if it is not a member. status: active, stale, dead, or empty
    if the other never heard of it. share: of all tokens, 0 to 1. lag: seconds since its last heartbeat.
    """

    url: str
    standing: str
    status: str
    zone: str
    share: float
    keys: int
    reachable: bool
    lag: float


@dataclass(frozen=True, slots=True)
class AdminStatus:
    """The cluster as its administrator sees it. change: None if none is under way. founded_ms: when the
    cluster was founded, milliseconds since 1970; 0: the node that answers wasn't there. as_json: all of it.
    """

    node_url: str
    cluster_id: str
    epoch: int
    phase: str
    replication_factor: int
    nodes: tuple[NodeStatus, ...]
    change: ChangeStatus | None
    problems: tuple[str, ...]
    founded_ms: int
    as_json: str

    def member(self, url: str) -> NodeStatus | None:
        """Return the member at a URL; None: there is none."""
        return next((node for node in self.nodes if node.url == url and node.standing), None)

    def url_of(self, text: str) -> str:
        """Return the URL of the one node with this URL, host:port, or host. If there is none, return the URL
        of a host:port, and any other text as it is. LimeDBError: several nodes have this host.
        """
        bare = text.removeprefix("http://").rstrip("/")
        addresses = {node.url.removeprefix("http://"): node.url for node in self.nodes}
        if bare in addresses:
            return addresses[bare]
        named = [url for address, url in addresses.items() if address.rpartition(":")[0].strip("[]") == bare]
        if len(named) > 1:
            raise LimeDBError(f"{bare} is the host of {', '.join(named)}: give a URL")
        return named[0] if named else f"http://{bare}" if ":" in bare and "://" not in bare else text


@dataclass(frozen=True, slots=True)
class RepairState:
    """The progress of a repair. spans: ranges; pulled, pushed: records taken from and given to others.

    missing: why owners could not be compared, by URL.
    """

    spans: int
    spans_done: int
    pulled: int
    pushed: int
    missing: Mapping[str, str]
    is_finished: bool


@dataclass(frozen=True, slots=True)
class ScrubState:
    """The progress of a scrub. records, size: read so far, of about `total` bytes. damaged, mended,
    index_mended: since it began. waiting: records that are damaged now; lost: those of them that no replica
    has.
    """

    records: int
    size: int
    total: int
    damaged: int
    mended: int
    index_mended: int
    waiting: int
    lost: int
    is_finished: bool


class AdminClient(Caller):
    """An administrator's calls. RemoteError of reason TOPOLOGY_CHANGE: a change can't be made."""

    def __init__(self, target: Target, channel: grpc.Channel, timeout: float) -> None:
        super().__init__(target, channel, timeout)
        self._stub = admin_pb2_grpc.AdminServiceStub(channel)

    def status(self) -> AdminStatus:
        """Return the state of the cluster."""
        request = admin_pb2.GetStatusRequest()
        return _status(self._call(lambda: self._stub.GetStatus(request, timeout=self._timeout)))

    def plan_join(self, url: str, zone: str, virtual_nodes: int | None) -> ChangePlan:
        """Return the effect that the join of a node would have."""
        request = admin_pb2.PlanJoinRequest(url=url, zone=zone, virtual_nodes=virtual_nodes)
        return _plan(self._call(lambda: self._stub.PlanJoin(request, timeout=self._timeout)).plan)

    def decommission(self, url: str, dry_run: bool) -> ChangePlan:
        """Make a node leave; return once the change has begun."""
        request = admin_pb2.DecommissionRequest(url=url, dry_run=dry_run)
        return _plan(self._call(lambda: self._stub.Decommission(request, timeout=self._timeout)).plan)

    def remove(self, url: str, dry_run: bool) -> ChangePlan:
        """Remove a dead node; return once the change has begun."""
        request = admin_pb2.RemoveRequest(url=url, dry_run=dry_run)
        return _plan(self._call(lambda: self._stub.Remove(request, timeout=self._timeout)).plan)

    def cancel(self, dry_run: bool) -> ChangePlan:
        """Cancel the change under way."""
        request = admin_pb2.CancelRequest(dry_run=dry_run)
        return _plan(self._call(lambda: self._stub.Cancel(request, timeout=self._timeout)).plan)

    def repair(self) -> Iterator[RepairState]:
        """Repair the target node, however long it takes; the last state has `is_finished`."""
        for r in self._stream(lambda: self._stub.Repair(admin_pb2.RepairRequest())):
            yield RepairState(r.spans, r.spans_done, r.pulled, r.pushed, dict(r.missing), r.finished)

    def scrub(self) -> Iterator[ScrubState]:
        """Scrub the target node, however long it takes; the last state has `is_finished`."""
        for r in self._stream(lambda: self._stub.Scrub(admin_pb2.ScrubRequest())):
            yield ScrubState(
                r.records,
                r.size,
                r.total,
                r.damaged,
                r.mended,
                r.index_mended,
                r.waiting,
                r.lost,
                r.finished,
            )


@contextmanager
def admin_client(target: Target | str, timeout: float) -> Iterator[AdminClient]:
    """Open a client of the node or Envoy at target (host:port: without TLS) for the block."""
    to = target_of(target).first
    with connection(to, options_for(timeout)) as channel:
        yield AdminClient(to, channel, timeout)


def _status(answer: admin_pb2.GetStatusResponse) -> AdminStatus:
    fields = MessageToDict(answer, always_print_fields_with_no_presence=True)
    return AdminStatus(
        node_url=answer.node_url,
        cluster_id=answer.cluster_id,
        epoch=answer.epoch,
        phase=answer.phase,
        replication_factor=answer.replication_factor,
        nodes=tuple(_node(node) for node in (*answer.members, *answer.others)),
        change=_change(answer.change) if answer.HasField("change") else None,
        problems=tuple(answer.problems),
        founded_ms=answer.founded_ms,
        as_json=json_text(fields, 2),
    )


def _node(node: cluster_pb2.ClusterNode) -> NodeStatus:
    return NodeStatus(
        node.url, node.standing, node.status, node.zone, node.share, node.keys, node.reachable, node.lag
    )


def _change(change: cluster_pb2.Change) -> ChangeStatus:
    progress = {
        p.url: Progress(
            epoch=change.epoch,
            spans=p.spans,
            spans_done=p.spans_done,
            keys=p.keys,
            keys_per_second=p.keys_per_second,
            waiting_for=p.waiting_for,
            is_done=p.is_done,
        )
        for p in change.progress
    }
    return ChangeStatus(change.what, change.epoch, Phase(change.phase), progress)


def _plan(plan: admin_pb2.ChangePlan) -> ChangePlan:
    moves = tuple(Move(m.url, m.share_before, m.share_after) for m in plan.moves)
    return ChangePlan(plan.what, plan.epoch, moves, plan.streamed)
