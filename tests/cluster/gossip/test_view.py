"""What the rest of a node sees of the cluster."""

import pytest

from limedb.cluster.gossip.hearsay import Check
from limedb.cluster.gossip.view import ClusterView
from limedb.core.detector import Status
from limedb.core.membership import Ack, Digest, NodeState
from limedb.core.report import GossipReport, PeerReport
from limedb.errors import StoreClosedError
from tests.support.hand_clock import HandClock

DAY_MS = 24 * 3600 * 1000
A, B, C, D = (f"http://{name}:8484" for name in "abcd")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def view(clock: HandClock) -> ClusterView:
    own = NodeState(A, 5, address="10.0.0.1:8484", zone="z1", version="1.2.3")
    return ClusterView(own, clock, gossip_interval=1.0, own_fields=lambda: {"keys": 3, "has_data": True})


def answer(view: ClusterView, state: NodeState) -> None:
    """Let a node answer for itself, where it was dialled."""
    view.on_ack(Ack((state,), (), name=state.url), state.url, state.address or view.address(state.url))


def test_nodes_that_were_named_or_have_answered_are_known_and_others_are_asked_first(
    view: ClusterView,
) -> None:
    view.add([B])
    view.on_syn([Digest(C, 1, 1)])
    answer(view, NodeState(D, 1, 1))

    assert view.urls == (A, B, D)
    assert view.peers() == (B, D)
    assert [state.url for state in view.living()] == [D]
    assert view.next_check() == Check(C, "c:8484")


def test_how_long_no_new_name_came_is_reported(view: ClusterView, clock: HandClock) -> None:
    clock.now += 2
    view.add([B])
    clock.now += 3
    view.add([B])

    assert view.named_for == 3


def test_a_node_is_dead_from_when_it_was_found_so_until_it_is_heard(
    view: ClusterView, clock: HandClock
) -> None:
    view.add([B])
    clock.now += 100
    assert view.dead_for(B) == 0
    assert view.judge() == {B: Status.DEAD}
    clock.now += 7
    view.judge()
    assert view.dead_for(B) == 7
    answer(view, NodeState(B, 1, 1))
    assert view.dead_for(B) == 0


def test_a_node_is_dialled_where_it_says_or_where_its_url_says(view: ClusterView) -> None:
    view.add([B])
    answer(view, NodeState(C, 1, 1, address="10.0.0.3:99"))

    assert view.address(A) == "10.0.0.1:8484"
    assert view.address(B) == "b:8484"
    assert view.address(C) == "10.0.0.3:99"
    assert view.address("http://[::1]:7001") == "[::1]:7001"


def test_oneself_is_active_and_a_stranger_has_no_status(view: ClusterView, clock: HandClock) -> None:
    clock.now += 1000

    assert view.status(A) is Status.ACTIVE
    with pytest.raises(LookupError):
        view.status(B)


def test_a_beat_reports_what_changed(view: ClusterView) -> None:
    view.heartbeat()

    assert (view.own.heartbeat, view.own.keys, view.own.has_data) == (1, 3, True)


def test_a_store_that_fails_stops_no_heartbeat(clock: HandClock) -> None:
    def fail() -> dict[str, object]:
        raise StoreClosedError

    view = ClusterView(NodeState(A, 5, keys=7), clock, gossip_interval=1.0, own_fields=fail)
    view.heartbeat()

    assert (view.own.heartbeat, view.own.keys) == (1, 7)


def test_the_gossip_report_has_for_each_peer_what_was_heard_and_when(
    view: ClusterView, clock: HandClock
) -> None:
    view.add([B])
    clock.now += 3
    answer(view, NodeState(C, 7, 9))
    clock.now += 0.5

    report = view.gossip_report()

    assert report.own == view.own
    assert report.peers == (
        PeerReport(NodeState(B), 3.5, Status.STALE),
        PeerReport(NodeState(C, 7, 9), 0.5, Status.ACTIVE),
    )
    assert (report.average_lag, report.max_lag, report.convergence_rate) == (2.0, 3.5, 50)


def test_the_state_report_counts_this_node_too(view: ClusterView, clock: HandClock) -> None:
    view.add([C, B])
    clock.now += 60
    answer(view, NodeState(C, 7, 9))

    report = view.state_report()

    assert report.peers == (B, C)
    assert (report.total_nodes, report.active_nodes) == (3, 2)
    assert (report.own.zone, report.own.version) == ("z1", "1.2.3")


@pytest.mark.parametrize(
    ("statuses", "health", "rate"),
    [
        ("", "healthy", 1.0),
        ("a", "healthy", 1.0),
        ("as", "degraded", 0.5),
        ("aad", "degraded", 2 / 3),
        ("add", "critical", 1 / 3),
        ("d", "critical", 0.0),
        ("sss", "degraded", 0.0),
    ],
)
def test_health_is_what_the_contract_says(statuses: str, health: str, rate: float) -> None:
    names = {"a": Status.ACTIVE, "s": Status.STALE, "d": Status.DEAD}
    report = GossipReport(NodeState(A), tuple(PeerReport(NodeState(B), 1.0, names[s]) for s in statuses))

    assert report.cluster_health == health
    assert report.convergence_rate == pytest.approx(100 * rate)
    assert report.max_lag == report.average_lag == (1.0 if statuses else 0.0)


def test_a_generation_from_a_clock_that_was_wrong_at_the_start_is_replaced(clock: HandClock) -> None:
    view = ClusterView(NodeState(A, clock.wall_ms() + 10 * DAY_MS), clock, gossip_interval=1.0)
    view.heartbeat()
    assert (view.own.generation, view.own.heartbeat) == (clock.wall_ms(), 1)
    view.heartbeat()
    assert (view.own.generation, view.own.heartbeat) == (clock.wall_ms(), 2)


def test_a_generation_that_peers_believe_stays(clock: HandClock) -> None:
    view = ClusterView(NodeState(A, clock.wall_ms() + DAY_MS), clock, gossip_interval=1.0)
    view.heartbeat()
    assert view.own.generation == clock.wall_ms() + DAY_MS
