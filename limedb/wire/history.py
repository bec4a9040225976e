"""The figures of a day and the events of a cluster as messages, and back.

Tested in tests/rpc/server/test_history.py.
"""

from collections.abc import Iterable

from limedb.core.cluster_events import ClusterEvent
from limedb.core.history import HistoryPoint
from limedbpb.v1 import cluster_pb2


def point(figures: HistoryPoint) -> cluster_pb2.HistoryPoint:
    """The figures of one step."""
    return cluster_pb2.HistoryPoint(
        at_ms=figures.at_ms,
        requests_per_second=figures.requests_per_second,
        gets_per_second=figures.gets_per_second,
        sets_per_second=figures.sets_per_second,
        dels_per_second=figures.dels_per_second,
        error_rate=figures.error_rate,
        cpu_percent=figures.cpu_percent,
        memory_bytes=figures.memory_bytes,
        disk_bytes=figures.disk_bytes,
        keys=figures.keys,
        loop_lag_ms=figures.loop_lag_ms,
        operations=[
            cluster_pb2.OperationLatency(
                operation=one.operation,
                requests_per_second=one.requests_per_second,
                p50_ms=one.p50_ms,
                p95_ms=one.p95_ms,
                p99_ms=one.p99_ms,
            )
            for one in figures.latencies
        ],
    )


def event(seen: ClusterEvent) -> cluster_pb2.ClusterEvent:
    """An event."""
    return cluster_pb2.ClusterEvent(
        at_ms=seen.at_ms, kind=seen.kind, node_url=seen.node_url, text=seen.text, seen_by=seen.seen_by
    )


def events_from(messages: Iterable[cluster_pb2.ClusterEvent]) -> list[ClusterEvent]:
    """Events that a peer has seen."""
    return [ClusterEvent(m.at_ms, m.kind, m.node_url, m.text, tuple(m.seen_by)) for m in messages]
