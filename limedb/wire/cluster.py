"""A node's reports on the cluster, as messages of ClusterService and AdminService.

It owns the meaning of each field. It must never ask a node or a store.

Tested in tests/rpc/server/test_cluster.py.
"""

from dataclasses import asdict

from limedb.core.membership import NodeLoad
from limedb.core.record import Record, value_size
from limedb.core.report import (
    ChangePlan,
    ChangeStatus,
    PeerReport,
    Progress,
    RepairProgress,
    RepairStats,
    RotFigures,
    ScrubProgress,
)
from limedb.core.topology import Member
from limedb.ports import RequestFigures, StoreStats
from limedb.wire.load import load_message
from limedbpb.v1 import admin_pb2, cluster_pb2


def node(
    peer: PeerReport | None,
    member: Member | None,
    *,
    share: float = 0.0,
    hint_bytes: int = 0,
    clock_offset_ms: int | None = None,
    reachable: bool = False,
    load: NodeLoad | None = None,
) -> cluster_pb2.ClusterNode:
    """A node: its report by gossip (None: there is none), and its place as a member (None: it isn't one).

    load: its figures, if they are known better than by gossip.
    """
    message = cluster_pb2.ClusterNode(
        share=share, hint_bytes=hint_bytes, clock_offset_ms=clock_offset_ms, reachable=reachable
    )
    if peer is not None:
        state = peer.state
        message.url, message.node_id, message.zone = state.url, state.node_id, state.zone
        message.version, message.keys, message.epoch = state.version, state.keys, state.epoch
        message.address = state.address
        message.generation, message.heartbeat = state.generation, state.heartbeat
        message.lag, message.status = peer.lag, peer.status.value
        load = load or state.load
    if load is not None:
        message.load.CopyFrom(load_message(load))
    if member is not None:
        message.url, message.node_id, message.zone = member.url, member.node_id, member.zone
        message.standing, message.virtual_nodes = member.standing.value, member.virtual_nodes
    return message


def change(status: ChangeStatus) -> cluster_pb2.Change:
    """A change that runs."""
    return cluster_pb2.Change(
        what=status.what,
        epoch=status.epoch,
        phase=status.phase.value,
        progress=[_progress(url, progress) for url, progress in sorted(status.progress.items())],
    )


def rates(figures: RequestFigures) -> cluster_pb2.RequestRates:
    """The request rates of a node."""
    return cluster_pb2.RequestRates(**asdict(figures))


def repair(stats: RepairStats, rot: RotFigures) -> cluster_pb2.RepairFigures:
    """The work of a node to make replicas equal, and whole."""
    damage = rot.damage
    return cluster_pb2.RepairFigures(
        passes=stats.passes,
        compared=stats.compared,
        differing=stats.differing,
        pulled=stats.pulled,
        pushed=stats.pushed,
        purged=stats.purged,
        dropped=stats.dropped,
        skipped=stats.skipped,
        damaged=len(damage),
        mended=damage.mended,
        lost=damage.lost,
        index_mended=damage.index,
        scrubbed=damage.checked,
        scrubbed_at_ms=rot.scrubbed_at_ms,
        conflicts=damage.conflicts,
    )


def scrub_progress(progress: ScrubProgress, finished: bool) -> admin_pb2.ScrubResponse:
    """How far a scrub is."""
    return admin_pb2.ScrubResponse(
        records=progress.records,
        size=progress.size,
        total=progress.total,
        damaged=progress.damaged,
        mended=progress.mended,
        index_mended=progress.index,
        waiting=progress.waiting,
        lost=progress.lost,
        finished=finished,
    )


def repair_progress(progress: RepairProgress, finished: bool) -> admin_pb2.RepairResponse:
    """How far a repair is."""
    return admin_pb2.RepairResponse(
        spans=progress.spans,
        spans_done=progress.spans_done,
        pulled=progress.pulled,
        pushed=progress.pushed,
        missing=progress.missing,
        finished=finished,
    )


def plan(planned: ChangePlan) -> admin_pb2.ChangePlan:
    """The effect of a change, done or planned."""
    return admin_pb2.ChangePlan(
        what=planned.what,
        epoch=planned.epoch,
        moves=[
            admin_pb2.ChangeMove(url=m.node_url, share_before=m.share_before, share_after=m.share_after)
            for m in sorted(planned.moves, key=lambda m: m.node_url)
        ],
        streamed=planned.streamed,
    )


def fill_record(owner: cluster_pb2.KeyOwner, record: Record | None) -> None:
    """Fill in the record that an owner of a key holds; None: it holds none."""
    if record is None:
        return
    owner.has_record, owner.version, owner.tombstone = True, record.version, record.is_tombstone
    owner.expires_at_ms = record.expires_at
    owner.size = value_size(record.value) if record.value is not None else 0


def peer_detail(peer: PeerReport) -> cluster_pb2.PeerDetail:
    """The state of one peer, as heard."""
    return cluster_pb2.PeerDetail(
        url=peer.state.url,
        generation=peer.state.generation,
        heartbeat=peer.state.heartbeat,
        lag=peer.lag,
        status=peer.status.value,
    )


def storage(stats: StoreStats) -> cluster_pb2.Storage:
    """Figures of a store."""
    return cluster_pb2.Storage(
        type=stats.kind, keys=stats.keys, bytes=stats.size, path=stats.path, durability=stats.durability
    )


def _progress(url: str, progress: Progress) -> cluster_pb2.ChangeProgress:
    return cluster_pb2.ChangeProgress(
        url=url,
        spans=progress.spans,
        spans_done=progress.spans_done,
        keys=progress.keys,
        keys_per_second=progress.keys_per_second,
        waiting_for=progress.waiting_for,
        is_done=progress.is_done,
    )
