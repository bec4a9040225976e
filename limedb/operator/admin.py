"""AdminService from outside a node: what `limedb admin` asks.

It owns the answers as values. It blocks, and must never run in a node.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from google.protobuf.json_format import MessageToDict

from limedb.core.report import ChangePlan, ChangeStatus, Move, Progress
from limedb.core.topology import Phase
from limedb.operator.calls import Caller
from limedb.wire.channels import options_for
from limedbpb.v1 import admin_pb2, admin_pb2_grpc, cluster_pb2


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node as another sees it. standing: empty for one that is no member. status: active, stale, dead, or
    empty where it was never heard of. share: of all tokens, 0 to 1.
    """

    url: str
    standing: str
    status: str
    zone: str
    share: float
    keys: int


@dataclass(frozen=True, slots=True)
class AdminStatus:
    """The cluster as its administrator sees it. change: None where none runs. as_json: all of it."""

    node_url: str
    cluster_id: str
    epoch: int
    phase: str
    replication_factor: int
    nodes: tuple[NodeStatus, ...]
    change: ChangeStatus | None
    problems: tuple[str, ...]
    as_json: str

    def member(self, url: str) -> NodeStatus | None:
        """The member at a URL; None: there is none."""
        return next((node for node in self.nodes if node.url == url and node.standing), None)


@dataclass(frozen=True, slots=True)
class RepairState:
    """How far a repair is. spans: ranges; pulled, pushed: records taken from and given to others.

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
    """How far a scrub is. records, size: that were read, of about `total` bytes. damaged, mended,
    index_mended:
    since it began. waiting: records that are damaged now; lost: that no replica has.
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
    """An administrator's calls. A change that can't be made is RemoteError of reason TOPOLOGY_CHANGE."""

    def __init__(self, target: str, channel: grpc.Channel, timeout: float) -> None:
        super().__init__(target, channel, timeout)
        self._stub = admin_pb2_grpc.AdminServiceStub(channel)

    def status(self) -> AdminStatus:
        """How the cluster does."""
        request = admin_pb2.GetStatusRequest()
        return _status(self._call(lambda: self._stub.GetStatus(request, timeout=self._timeout)))

    def plan_join(self, url: str, zone: str, virtual_nodes: int | None) -> ChangePlan:
        """What would move if a node joined."""
        request = admin_pb2.PlanJoinRequest(url=url, zone=zone, virtual_nodes=virtual_nodes)
        return _plan(self._call(lambda: self._stub.PlanJoin(request, timeout=self._timeout)).plan)

    def decommission(self, url: str, dry_run: bool) -> ChangePlan:
        """Let a node leave; it returns when the change has begun."""
        request = admin_pb2.DecommissionRequest(url=url, dry_run=dry_run)
        return _plan(self._call(lambda: self._stub.Decommission(request, timeout=self._timeout)).plan)

    def remove(self, url: str, dry_run: bool) -> ChangePlan:
        """Take a dead node out; it returns when the change has begun."""
        request = admin_pb2.RemoveRequest(url=url, dry_run=dry_run)
        return _plan(self._call(lambda: self._stub.Remove(request, timeout=self._timeout)).plan)

    def cancel(self, dry_run: bool) -> ChangePlan:
        """Give up the change that runs."""
        request = admin_pb2.CancelRequest(dry_run=dry_run)
        return _plan(self._call(lambda: self._stub.Cancel(request, timeout=self._timeout)).plan)

    def repair(self) -> Iterator[RepairState]:
        """Repair the node that is asked, however long it takes; the last state says that it is finished."""
        for r in self._stream(lambda: self._stub.Repair(admin_pb2.RepairRequest())):
            yield RepairState(r.spans, r.spans_done, r.pulled, r.pushed, dict(r.missing), r.finished)

    def scrub(self) -> Iterator[ScrubState]:
        """Scrub the node that is asked, however long it takes; the last state says that it is finished."""
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
def admin_client(target: str, timeout: float) -> Iterator[AdminClient]:
    """A client of the node or Envoy at target (host:port), for the time of the block."""
    with grpc.insecure_channel(target, options_for(timeout)) as channel:
        yield AdminClient(target, channel, timeout)


def _status(answer: admin_pb2.GetStatusResponse) -> AdminStatus:
    told = MessageToDict(answer, always_print_fields_with_no_presence=True)
    return AdminStatus(
        node_url=answer.node_url,
        cluster_id=answer.cluster_id,
        epoch=answer.epoch,
        phase=answer.phase,
        replication_factor=answer.replication_factor,
        nodes=tuple(_node(node) for node in (*answer.members, *answer.others)),
        change=_change(answer.change) if answer.HasField("change") else None,
        problems=tuple(answer.problems),
        as_json=json.dumps(told, indent=2, ensure_ascii=False),
    )


def _node(node: cluster_pb2.ClusterNode) -> NodeStatus:
    return NodeStatus(node.url, node.standing, node.status, node.zone, node.share, node.keys)


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
