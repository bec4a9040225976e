"""The reports of a node on the cluster.

Tests limedb/rpc/server/cluster_report.py, limedb/wire/cluster.py, limedb/wire/gossip.py and
limedb/wire/load.py.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest

from limedb.core.detector import Status
from limedb.core.layout import Layout
from limedb.core.membership import NodeState
from limedb.core.record import Record
from limedb.core.report import PeerReport
from limedb.core.ring import token_of
from limedb.core.topology import Topology
from limedb.errors import NotMemberError, ReplicaUnreachableError, StaleEpochError, UnavailableError
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.cluster import ClusterServicer
from limedb.rpc.server.deadlines import Deadlines
from limedb.wire.load import load_message
from limedbpb.v1 import cluster_pb2
from tests.cluster.virtual import VirtualClock, run_virtual
from tests.rpc.cluster_sources import DEAD, HANDOVER, LOAD, NEW, OTHER, OWN, STEADY, STREAMING, FakeCluster


class Context:
    """A request without a deadline."""

    def time_remaining(self) -> float | None:
        return None


def servicer(cluster: FakeCluster) -> Any:
    return ClusterServicer(cluster.sources(), Checks(10), Deadlines(cluster.clock, 10.0))


async def state(cluster: FakeCluster) -> cluster_pb2.GetStateResponse:
    answer: cluster_pb2.GetStateResponse = await servicer(cluster).GetState(
        cluster_pb2.GetStateRequest(), Context()
    )
    return answer


async def locate(cluster: FakeCluster, key: str = "k") -> cluster_pb2.LocateKeyResponse:
    answer: cluster_pb2.LocateKeyResponse = await servicer(cluster).LocateKey(
        cluster_pb2.LocateKeyRequest(key=key), Context()
    )
    return answer


async def test_the_state_reports_the_members_of_the_topology() -> None:
    told = await state(FakeCluster())
    assert (told.total_nodes, told.active_nodes, list(told.peers)) == (3, 2, sorted([OWN, OTHER, DEAD]))
    assert (told.cluster_id, told.epoch, told.phase, told.replication_factor) == (
        "00000000000000aa", 1, "steady", 2,
    )  # fmt: skip
    own, other, dead = told.members
    assert (own.url, own.standing, own.status, own.zone, own.lag) == (OWN, "normal", "active", "z1", 0)
    assert (own.reachable, other.reachable, dead.reachable) == (True, True, False)
    assert (other.clock_offset_ms, own.HasField("clock_offset_ms")) == (-250, False)
    assert (dead.status, dead.hint_bytes) == ("dead", 4096)
    assert sum(node.share for node in told.members) == pytest.approx(2)  # two replicas of each key


async def test_each_node_is_reported_with_its_load_and_the_own_one_as_it_is_now() -> None:
    own, other, dead = (await state(FakeCluster())).members
    assert own.load.disk_bytes == 100
    assert load_message(LOAD) == other.load == dead.load


async def test_the_load_of_a_node_that_does_not_report_it_is_not_set() -> None:
    cluster = FakeCluster()
    cluster.others.append(PeerReport(NodeState("http://old:8484", 1, 1), 0.5, Status.ACTIVE))
    snapshot = await anext(servicer(cluster).WatchCluster(cluster_pb2.WatchClusterRequest(), Context()))
    assert {node.url for node in snapshot.nodes if not node.HasField("load")} == {"http://old:8484"}


async def test_a_fresh_node_has_no_members_and_says_why_it_does_not_serve() -> None:
    cluster = FakeCluster()
    cluster.layout, cluster.phase, cluster.problem = Layout(Topology()), "starting", "no cluster yet"
    told = await state(cluster)
    assert (told.total_nodes, told.active_nodes, told.cluster_id, told.phase) == (0, 0, "", "steady")
    assert (told.status, told.problem) == ("starting", "no cluster yet")
    with pytest.raises(NotMemberError):
        await locate(cluster)


async def test_the_health_is_bad_while_there_is_a_problem() -> None:
    cluster = FakeCluster()
    for cluster.problem, status in (("", "healthy"), ("clock off", "unhealthy")):
        told = await servicer(cluster).GetHealth(cluster_pb2.GetHealthRequest(), Context())
        assert (told.status, told.problem) == (status, cluster.problem)


async def test_a_warning_is_shown_everywhere_and_stops_nothing() -> None:
    cluster = FakeCluster()
    cluster.warnings = ["a record is damaged"]
    health = await servicer(cluster).GetHealth(cluster_pb2.GetHealthRequest(), Context())
    snapshot = await anext(servicer(cluster).WatchCluster(cluster_pb2.WatchClusterRequest(), Context()))
    assert health.status == "healthy"
    for answer in (health, snapshot, await state(cluster)):
        assert list(answer.warnings) == ["a record is damaged"]


async def test_the_ring_is_the_one_that_is_read() -> None:
    cluster = FakeCluster()
    for topology, nodes in ((STEADY, 3), (STREAMING, 3), (HANDOVER, 4)):
        cluster.adopt(topology)
        data = await servicer(cluster).GetRing(cluster_pb2.GetRingRequest(), Context())
        told = cluster_pb2.GetRingResponse.FromString(data)
        assert told.total_nodes == nodes


async def test_a_key_is_located_with_what_each_owner_holds() -> None:
    cluster = FakeCluster()
    for replica in cluster.stores.values():
        replica.records["k"] = Record("k", "lime", 77, 99)
    current = cluster.layout.of_key("k").natural
    cluster.stores[current[0]].records["k"] = Record("k", None, 78)
    cluster.stores[current[1]].error = ReplicaUnreachableError(current[1], "gone")
    told = await locate(cluster)
    assert (told.key, told.token, told.epoch) == ("k", token_of("k"), 1)
    first, second = told.owners
    assert (first.url, first.role, first.has_record, first.version, first.tombstone) == (
        current[0], "current", True, 78, True,
    )  # fmt: skip
    assert (second.url, second.has_record, "gone" in second.error) == (current[1], False, True)
    assert first.reachable is cluster.is_reachable(current[0])


async def test_a_record_is_reported_with_its_size_and_its_end() -> None:
    cluster = FakeCluster()
    cluster.stores[cluster.layout.of_key("k").natural[0]].records["k"] = Record("k", "€", 77, 99)
    first, second = (await locate(cluster)).owners
    assert (first.size, first.expires_at_ms, first.tombstone, first.error) == (3, 99, False, "")
    assert (second.has_record, second.error) == (False, "")


async def test_owners_that_come_are_reported_too() -> None:
    cluster = FakeCluster()
    cluster.adopt(STREAMING)
    keys = (f"k{i}" for i in range(1000))
    key = next(key for key in keys if cluster.layout.of_key(key).pending)
    owners = (await locate(cluster, key)).owners
    assert [(o.url, o.role) for o in owners if o.role == "extra"] == [(NEW, "extra")]
    assert cluster.stores[NEW].asked == [("read", [key], STREAMING.fence)]


async def test_an_owner_that_knows_more_teaches_the_node() -> None:
    cluster = FakeCluster()
    cluster.stores[cluster.layout.of_key("k").natural[0]].error = StaleEpochError(STREAMING)
    assert "epoch 2" in (await locate(cluster)).owners[0].error
    assert cluster.layout.topology == STREAMING


def watch(scenario: Callable[[FakeCluster, Any], Coroutine[Any, Any, None]], interval_ms: int = 1000) -> None:
    """Run a scenario with a watched cluster, in virtual time."""

    async def run() -> None:
        cluster = FakeCluster(VirtualClock())
        request = cluster_pb2.WatchClusterRequest(interval_ms=interval_ms)
        async with aclosing(servicer(cluster).WatchCluster(request, Context())) as snapshots:
            await scenario(cluster, snapshots)

    run_virtual(run())


async def elapsed(snapshots: Any) -> tuple[cluster_pb2.WatchClusterResponse, float]:
    """The next snapshot, and the seconds until it came."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    snapshot = await anext(snapshots)
    return snapshot, loop.time() - started


def test_a_watcher_gets_a_report_at_once_and_then_in_intervals() -> None:
    async def scenario(cluster: FakeCluster, snapshots: Any) -> None:
        waits = [(await elapsed(snapshots))[1] for _ in range(4)]
        assert waits == pytest.approx([0, 2, 2, 2])

    watch(scenario, interval_ms=2000)


def test_a_watcher_hears_of_a_change_at_once() -> None:
    async def scenario(cluster: FakeCluster, snapshots: Any) -> None:
        await elapsed(snapshots)
        cluster.adopt(STREAMING)
        snapshot, waited = await elapsed(snapshots)
        assert (snapshot.epoch, snapshot.phase, snapshot.change.what) == (2, "streaming", f"{NEW} joins")
        (progress,) = snapshot.change.progress
        assert (progress.url, progress.spans, progress.spans_done, progress.keys_per_second) == (
            NEW,
            8,
            3,
            9.5,
        )
        assert waited <= 0.1 + 1e-6
        cluster.statuses[OTHER] = Status.STALE
        snapshot, waited = await elapsed(snapshots)
        assert [n.status for n in snapshot.nodes] == ["active", "stale", "dead", ""]
        assert waited <= 0.1 + 1e-6

    watch(scenario, interval_ms=30_000)


def test_a_watcher_hears_at_once_that_a_link_broke() -> None:
    async def scenario(cluster: FakeCluster, snapshots: Any) -> None:
        await elapsed(snapshots)
        cluster.cut.add(OTHER)
        snapshot, waited = await elapsed(snapshots)
        assert [(n.status, n.reachable) for n in snapshot.nodes if n.url == OTHER] == [("active", False)]
        assert waited <= 0.1 + 1e-6

    watch(scenario, interval_ms=30_000)


def test_a_watcher_hears_at_once_of_another_address_of_a_node() -> None:
    async def scenario(cluster: FakeCluster, snapshots: Any) -> None:
        snapshot, _ = await elapsed(snapshots)
        assert {n.address for n in snapshot.nodes} == {""}
        del cluster.statuses[OTHER]
        moved = NodeState(OTHER, 5, 7, "10.0.0.1:9", node_id="2")
        cluster.others.append(PeerReport(moved, 0.5, Status.ACTIVE))
        snapshot, waited = await elapsed(snapshots)
        assert [n.address for n in snapshot.nodes if n.url == OTHER] == ["10.0.0.1:9"]
        assert waited <= 0.1 + 1e-6

    watch(scenario, interval_ms=30_000)


def test_a_snapshot_reports_rates_and_repair() -> None:
    async def scenario(cluster: FakeCluster, snapshots: Any) -> None:
        snapshot, _ = await elapsed(snapshots)
        assert (snapshot.rates.gets_per_second, snapshot.repair.dropped) == (2.0, 7)
        assert not snapshot.HasField("change")

    watch(scenario)


def test_a_change_whose_progress_is_not_known_is_reported_all_the_same() -> None:
    async def scenario(cluster: FakeCluster, snapshots: Any) -> None:
        cluster.adopt(STREAMING)
        cluster.error = UnavailableError("nobody answers")
        snapshot, _ = await elapsed(snapshots)
        assert (snapshot.change.what, list(snapshot.change.progress)) == (f"{NEW} is joining", [])

    watch(scenario)
