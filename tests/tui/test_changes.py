from itertools import pairwise

from limedb.operator.console_values import ChangeSample, Sample
from limedb.tui.changes import changes
from tests.tui.samples import A, B, C, node, sample


def told(before: Sample | None, after: Sample) -> list[str]:
    return [change.text for change in changes(before, after)]


def test_the_first_sample_shows_what_there_is() -> None:
    assert told(None, sample()) == ["cluster c1, epoch 1: 3 nodes, seen by 127.0.0.1:7001"]


def test_nothing_is_reported_where_nothing_changed() -> None:
    assert told(sample(), sample(node(A, keys=5), node(B, heartbeat=9), node(C, lag=0.2))) == []


def test_a_node_goes_stale_dies_and_comes_back() -> None:
    states = [
        sample(node(A), node(B, status=s, lag=lag), node(C))
        for s, lag in (("active", 0.1), ("stale", 3.2), ("dead", 12.0), ("active", 0.1))
    ]
    steps = [list(changes(a, b)) for a, b in pairwise(states)]
    assert [[(c.text, c.tone) for c in step] for step in steps] == [
        [("127.0.0.1:7002 is stale: no heartbeat for 3.2s", "warn")],
        [("127.0.0.1:7002 is dead: no heartbeat for 12s", "bad")],
        [("127.0.0.1:7002 is active again", "good")],
    ]


def test_a_restart_is_reported_though_the_node_was_never_seen_dead() -> None:
    assert told(sample(), sample(node(A), node(B, generation=2), node(C))) == ["127.0.0.1:7002 was restarted"]


def test_nodes_appear_and_go() -> None:
    assert told(sample(node(A), node(B)), sample(node(A), node(C))) == [
        "127.0.0.1:7003 appeared",
        "127.0.0.1:7002 is gone",
    ]


def test_a_change_begins_moves_on_and_ends_with_its_epochs() -> None:
    steady = sample(node(A), node(B, standing=""))
    joining = sample(
        node(A),
        node(B, standing="joining"),
        epoch=2,
        phase="streaming",
        change=ChangeSample("127.0.0.1:7002 joins", "streaming", 8, 2),
    )
    further = sample(
        *joining.nodes,
        epoch=2,
        phase="streaming",
        change=ChangeSample("127.0.0.1:7002 joins", "streaming", 8, 7),
    )
    done = sample(node(A), node(B), epoch=4)
    assert told(steady, joining) == [
        "127.0.0.1:7002 is joining",
        "change began: 127.0.0.1:7002 joins",
        "epoch 1 → 2 (streaming)",
    ]
    assert told(joining, further) == []
    assert told(further, done) == [
        "127.0.0.1:7002 is a member",
        "change ended: 127.0.0.1:7002 joins",
        "epoch 2 → 4 (steady)",
    ]


def test_it_is_shown_through_whom_one_looks_and_that_it_takes_no_requests() -> None:
    other = sample(node_url=B, problem="its clock is off")
    assert told(sample(), other) == [
        "now following 127.0.0.1:7002",
        "127.0.0.1:7002 takes no requests: its clock is off",
    ]
    assert told(other, other) == []
