from datetime import datetime, timedelta

from limedb.core.membership import NodeLoad
from limedb.operator.console_values import ChangeSample, Lost, Sample
from limedb.tui.cluster import MAX_EVENTS, MAX_RATES, Cluster
from limedb.tui.figures import plain
from tests.tui.samples import A, B, C, node, sample

NOON = datetime(2020, 1, 1, 12, 0, 0)
LOST = Lost("127.0.0.1:7001", "nothing answers")


def fed(*told: Sample | Lost) -> Cluster:
    """A cluster that was told these, a second apart."""
    cluster = Cluster("127.0.0.1:7001")
    for i, one in enumerate(told):
        cluster.take(one, NOON + timedelta(seconds=i))
    return cluster


def headline(cluster: Cluster) -> str:
    return plain([cluster.headline()])


def silence(cluster: Cluster) -> str:
    line = cluster.silence()
    return plain([line]) if line else ""


def test_before_anything_is_told_it_connects() -> None:
    assert headline(fed()) == "○ connecting to 127.0.0.1:7001"
    assert headline(fed(LOST)) == "○ 127.0.0.1:7001: nothing answers; trying again"


def test_the_headline_tells_what_to_know_first() -> None:
    cluster = fed(sample(node(A, keys=1500), node(B, keys=500), node(C, status="dead"), epoch=7))
    assert (
        headline(cluster) == "● 2/3 nodes · epoch 7 steady · 2.0k+ records, 3 replicas · via 127.0.0.1:7001"
    )
    assert len(headline(cluster)) <= 78


def test_nodes_that_are_no_members_are_not_counted() -> None:
    assert "2/2 nodes" in headline(fed(sample(node(A), node(B), node(C, standing=""))))
    assert "no cluster yet" in headline(fed(sample(node(A, standing=""), epoch=0)))
    held = fed(sample(node(A, keys=5), node(B, keys=6), node(C, keys=7, standing="")))
    assert "11 records" in headline(held)


def test_a_node_that_links_have_lost_is_not_active_and_its_figures_are_gone() -> None:
    lost = node(B, reachable=False, lag=12, keys=900, load=NodeLoad(requests_per_second=5))
    cluster = fed(sample(node(A, keys=10), lost, node(C, keys=1)))
    assert headline(cluster).startswith("● 2/3 nodes · epoch 1 steady · 11+ records")
    assert silence(cluster) == "127.0.0.1:7002: no data since 11:59:48"
    assert list(cluster.histories()[B]) == [None]


def test_silent_nodes_are_named_up_to_a_number() -> None:
    assert silence(fed(sample())) == ""
    silent = [node(f"http://127.0.0.1:{port}", status="dead", lag=1) for port in range(7001, 7007)]
    assert silence(fed(sample(*silent))).endswith("and 3 more")


def test_a_lost_connection_claims_nothing() -> None:
    cluster = fed(sample(node(A, keys=10, load=NodeLoad(requests_per_second=5)), node(B)), LOST)
    assert headline(cluster) == "○ reconnecting · no data since 12:00:00 · epoch 1 steady"
    assert silence(cluster) == ""
    assert {(one.condition, one.is_known) for one in cluster.nodes()} == {("unknown", False)}


def test_a_lost_node_is_told_once_however_often_it_is_tried() -> None:
    cluster = fed(sample(), LOST, LOST, Lost("127.0.0.1:7002", "silent for 3 s"), LOST)
    assert [event.text for event in cluster.events][:2] == [
        "lost 127.0.0.1:7002: silent for 3 s; trying others",
        "lost 127.0.0.1:7001: nothing answers; trying others",
    ]
    assert len(cluster.events) == 3
    assert headline(cluster).startswith("○ reconnecting")


def test_after_a_loss_it_tells_through_whom_it_looks_again() -> None:
    same, other = fed(sample(), LOST, sample()), fed(sample(), LOST, sample(node_url=B))
    assert same.events[0].text == "127.0.0.1:7001 answers again"
    assert other.events[0].text == "now following 127.0.0.1:7002"
    assert headline(other).startswith("● 3/3 nodes")
    again = fed(sample(), LOST, sample(), LOST)
    assert again.events[0].text.startswith("lost ")


def test_events_have_their_time_and_are_bounded() -> None:
    cluster = fed(*(sample(epoch=epoch) for epoch in range(1, MAX_EVENTS + 10)))
    assert len(cluster.events) == MAX_EVENTS
    newest, before = list(cluster.events)[:2]
    assert newest.at - before.at == timedelta(seconds=1)


def test_rates_are_remembered_for_a_while_and_forgotten_with_the_node() -> None:
    rates = range(MAX_RATES + 5)
    busy = [sample(node(A, load=NodeLoad(requests_per_second=float(i))), node(B)) for i in rates]
    cluster = fed(*busy)
    assert set(cluster.histories()[B]) == {None}
    assert cluster.histories()[A][-2:] == [MAX_RATES + 3, MAX_RATES + 4]
    assert len(cluster.histories()[A]) == MAX_RATES
    cluster.take(sample(node(A, load=NodeLoad(requests_per_second=9), status="dead")), NOON)
    assert cluster.histories()[A][-2:] == [MAX_RATES + 4, None]
    cluster.take(sample(node(B)), NOON)
    assert list(cluster.histories()) == [B]


def test_a_change_shows_how_far_it_is() -> None:
    assert fed(sample()).progress(8) is None
    change = ChangeSample("127.0.0.1:7003 joins", "streaming", spans=8, done=4, keys=1200, rate=300)
    line = fed(sample(change=change)).progress(8)
    assert line is not None
    assert plain([line]) == "127.0.0.1:7003 joins (streaming) ████     4/8 ranges, 1.2k keys, 300/s"
