"""The effects of reports by third parties, and the changes that only a node itself can make."""

from dataclasses import replace
from typing import Any

import pytest

from limedb.cluster.gossip.bounds import MAX_AHEAD_MS, MAX_ENTRIES, MAX_EPOCH, flaw, is_address, is_name
from limedb.cluster.gossip.hearsay import MAX_KNOWN, MAX_STRANGERS, Check
from limedb.cluster.gossip.view import FORGET_SECONDS, ClusterView
from limedb.core.detector import Status
from limedb.core.membership import Ack, Digest, NodeLoad, NodeState
from limedb.core.node_urls import address_of
from tests.support.hand_clock import HandClock

A, B, C = (f"http://{name}:8484" for name in "abc")
NOW_MS = 1_000_000_000_000


MEMBER = NodeState(B, NOW_MS, 5, node_id="b-id", cluster_id="c1", epoch=3, zone="z", replication_factor=3)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(offset_ms=NOW_MS)


@pytest.fixture
def view(clock: HandClock) -> ClusterView:
    own = NodeState(A, NOW_MS, node_id="a-id")
    view = ClusterView(own, clock, gossip_interval=1.0, members=lambda: {A: "a-id", B: "b-id"})
    view.add([B])
    return view


def answer(view: ClusterView, state: NodeState, dialled: str = "") -> None:
    """Let a node answer for itself, at the address that was dialled."""
    view.on_ack(Ack((state,), (), name=state.url), state.url, dialled or view.address(state.url))


LIES: dict[str, Any] = {
    "node_id": "other-id",
    "cluster_id": "c2",
    "epoch": 4,
    "address": "10.6.6.6:1",
    "has_data": True,
    "has_left": True,
    "rejoins": "00000000000000ab",
    "replication_factor": 1,
    "virtual_nodes": 4096,
    "zone": "evil",
}


@pytest.mark.parametrize("field", LIES)
def test_what_others_say_of_a_node_changes_none_of_its_claims_and_makes_it_be_asked(
    view: ClusterView, field: str
) -> None:
    answer(view, MEMBER)
    assert view.next_check() is None
    view.on_ack2([replace(MEMBER, heartbeat=99, **{field: LIES[field]})])

    assert getattr(view.state(B), field) == getattr(MEMBER, field)
    assert view.address(B) == "b:8484"
    assert view.next_check() == Check(B)
    assert view.digests(B)[-1] == Digest(B, 0, 0)  # asked for all that it has to say


def test_who_answers_to_many_names_at_one_address_is_one_node(view: ClusterView) -> None:
    answer(view, MEMBER)
    for i in range(50):
        answer(view, NodeState(f"http://made-up{i}:1", NOW_MS, 5, node_id=f"{i}"), "evil:1")
    assert view.peers() == (B, "http://made-up49:1")


def test_who_answers_at_the_address_of_a_member_leaves_the_member_known(view: ClusterView) -> None:
    answer(view, MEMBER)
    answer(view, NodeState(C, NOW_MS, 5, node_id="c-id"), "b:8484")
    assert view.peers() == (B, C)
    answer(view, MEMBER)
    assert view.peers() == (B,)


def test_no_more_strangers_are_asked_once_so_many_are_known(view: ClusterView) -> None:
    for i in range(MAX_KNOWN):
        answer(view, NodeState(url := f"http://node{i}:1", NOW_MS, 5, node_id=f"{i}"), address_of(url))
    view.on_ack2([NodeState("http://one-more:1", NOW_MS, 5)])
    assert view.next_check() is None


def test_a_true_change_is_taken_from_the_node_itself(view: ClusterView) -> None:
    answer(view, MEMBER)
    view.on_ack2([replace(MEMBER, heartbeat=6, epoch=4)])
    answer(view, replace(MEMBER, heartbeat=6, epoch=4))

    assert view.state(B).epoch == 4
    assert view.next_check() is None


def test_heartbeats_by_other_hands_keep_a_node_alive(view: ClusterView, clock: HandClock) -> None:
    answer(view, MEMBER)
    clock.now += 60
    assert view.status(B) is Status.DEAD
    view.on_ack2([replace(MEMBER, heartbeat=6, keys=7)])

    assert view.status(B) is Status.ACTIVE
    assert view.state(B).keys == 7


def test_a_generation_of_the_far_future_is_left_out_and_the_rest_of_the_message_stands(
    view: ClusterView, clock: HandClock
) -> None:
    answer(view, MEMBER)
    far = clock.wall_ms() + MAX_AHEAD_MS + 1
    bad = [replace(MEMBER, generation=g) for g in (far, (1 << 64) - 1)]
    view.on_ack2([*bad, NodeState("", 1), NodeState("http://../x", 1), replace(MEMBER, heartbeat=6)])
    view.on_syn([Digest(A, (1 << 64) - 1, 1), Digest(B, far, 1)])

    assert (view.state(B).generation, view.state(B).heartbeat) == (NOW_MS, 6)
    assert view.own.generation == NOW_MS


def test_a_false_generation_ends_with_the_next_answer_of_its_owner(view: ClusterView) -> None:
    answer(view, MEMBER)
    view.on_ack2([replace(MEMBER, generation=NOW_MS + MAX_AHEAD_MS)])
    answer(view, replace(MEMBER, heartbeat=6))

    assert view.state(B).generation == NOW_MS


def test_a_node_outbids_who_says_that_it_is_newer(view: ClusterView) -> None:
    view.on_ack2([NodeState(A, NOW_MS + MAX_AHEAD_MS, 9)])

    assert view.own.generation == NOW_MS + MAX_AHEAD_MS + 1
    assert view.own.node_id == "a-id"


def test_strangers_are_few_not_passed_on_and_gone_when_they_do_not_answer(
    view: ClusterView, clock: HandClock
) -> None:
    view.on_syn([Digest(f"http://n{i}:1", NOW_MS, 1) for i in range(50_000)])
    assert view.urls == (A, B)
    assert {d.url for d in view.digests()} == {A}
    asked = []
    while (check := view.next_check()) is not None:
        asked.append(check)
    assert len(asked) == MAX_STRANGERS
    for check in asked:
        view.checked(check)
    view.on_syn([Digest(check.url, NOW_MS, 1) for check in asked])
    assert view.next_check() is None  # not again so soon


def test_a_stranger_that_answers_under_its_name_is_known(view: ClusterView) -> None:
    view.on_syn([Digest(C, NOW_MS, 1)])
    assert view.next_check() == Check(C, "c:8484")
    answer(view, NodeState(C, NOW_MS, 1, node_id="c-id"))
    view.checked(Check(C, "c:8484"))

    assert view.state(C).node_id == "c-id"
    assert Digest(C, NOW_MS, 1) in view.digests()
    assert view.next_check() is None


def test_an_alias_is_dropped_for_the_true_name_with_one_line(
    view: ClusterView, caplog: pytest.LogCaptureFixture
) -> None:
    alias = "http://127.0.0.1:8484"
    view.add([alias])
    for _ in range(2):
        view.on_ack(Ack((NodeState(C, NOW_MS, 1),), (), name=C), alias, "127.0.0.1:8484")

    assert alias not in view.urls
    assert caplog.text.count(f"NODE_PEERS names {alias}, but the node there is called {C}") == 1
    assert view.next_check() == Check(C, "c:8484")
    answer(view, NodeState(C, NOW_MS, 1))
    assert view.reached(alias)
    assert C in view.urls


def test_a_node_that_another_answered_for_once_is_asked_again(view: ClusterView, clock: HandClock) -> None:
    """Its traffic was led astray for a while: the name is dropped, and must come back as a stranger's can."""
    fresh = NodeState(C, NOW_MS, 1, node_id="c-id")
    view.on_syn([Digest(C, NOW_MS, 1)])
    assert view.next_check() == Check(C, "c:8484")
    answer(view, fresh)
    clock.now += 1
    view.on_ack2([replace(fresh, heartbeat=6, epoch=7)])  # it is doubted, and asked as a known node
    assert view.next_check() == Check(C)
    view.on_ack(Ack((MEMBER,), (), name=B), C, "c:8484")
    assert C not in view.urls
    clock.now += 1
    view.on_syn([Digest(C, NOW_MS, 2)])
    assert Check(C, "c:8484") in (view.next_check(), view.next_check())  # B said so, and is asked first
    answer(view, fresh)
    assert C in view.urls


def test_an_alias_of_the_node_itself_is_dropped(view: ClusterView, caplog: pytest.LogCaptureFixture) -> None:
    view.add([C])
    view.on_ack(Ack((view.own,), (), name=A), C, "c:8484")

    assert view.urls == (A, B)
    assert "which is this node itself" in caplog.text


def test_a_node_that_moved_is_taken_where_its_node_id_answers(view: ClusterView) -> None:
    view.on_ack2([replace(MEMBER, address="10.0.0.9:1")])
    assert view.next_check() == Check(B)
    assert view.hint(B) == "10.0.0.9:1"
    answer(view, replace(MEMBER, address="10.0.0.9:1", node_id="thief"), "10.0.0.9:1")
    assert view.address(B) == "b:8484"
    answer(view, replace(MEMBER, address="10.0.0.9:1"), "10.0.0.9:1")
    assert view.address(B) == "10.0.0.9:1"


def test_a_node_that_says_another_address_is_dialled_there_once_it_answered_there(view: ClusterView) -> None:
    moved = replace(MEMBER, address="10.0.0.9:1")
    answer(view, moved, "b:8484")
    assert view.address(B) == "b:8484"
    assert view.next_check() == Check(B)
    answer(view, moved, "10.0.0.9:1")
    assert view.address(B) == "10.0.0.9:1"
    assert view.next_check() is None


def test_who_is_no_member_and_stays_dead_is_forgotten_and_stays_so(
    view: ClusterView, clock: HandClock
) -> None:
    answer(view, NodeState(C, NOW_MS, 1), "c:8484")
    answer(view, MEMBER)
    clock.now += 60
    view.judge()
    clock.now += FORGET_SECONDS
    view.judge()
    assert view.urls == (A, B)
    view.on_ack2([NodeState(C, NOW_MS, 2)])
    assert view.urls == (A, B)


def test_health_counts_members(view: ClusterView, clock: HandClock) -> None:
    answer(view, NodeState(C, NOW_MS, 1), "c:8484")
    clock.now += 20
    answer(view, MEMBER)
    report = view.gossip_report()

    assert {p.state.url: p.status for p in report.peers} == {B: Status.ACTIVE, C: Status.DEAD}
    assert report.cluster_health == "healthy"


def test_a_message_is_read_to_a_bound(view: ClusterView) -> None:
    answer(view, MEMBER)
    filler = [Digest(A, 0, 0)] * MAX_ENTRIES
    view.on_syn([*filler, Digest(C, NOW_MS, 1)])

    assert view.next_check() is None


@pytest.mark.parametrize(
    "url",
    [
        "", "node1", "not a url", "://x", "http://../x", "http://..:1", "ftp://n:1", "http://n", "http://n:1/x",
        "http://n:0", "http://n:65536", "http://u@n:1", f"http://{'n' * 300}:1", "http://169.254.169.254:80",
        "http://2852039166:80", "http://0xA9FEA9FE:80", "http://0.0.0.0:1", "http://[::]:1", "http://[fe80::1]:1",
        "http://[::ffff:169.254.169.254]:80", "http://224.0.0.1:1", "http://metadata.google.internal:80",
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_node(url: str) -> None:
    assert not is_name(url)


@pytest.mark.parametrize(
    "url", ["http://node1:8484", "http://10.0.0.1:1", "http://[::1]:8484", "http://localhost:7001"]
)
def test_what_is_a_name_of_a_node(url: str) -> None:
    assert is_name(url)


@pytest.mark.parametrize(
    "address", ["unix:/tmp/x", "unix:x:1", "host", ":1", "ho st:1", "dns:///a:1", "a:b:1"]
)
def test_what_is_not_dialled(address: str) -> None:
    assert not is_address(address)


LOAD = NodeLoad(1, 1, 1.0, requests_per_second=1.0, gets_per_second=1.0, sets_per_second=1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"zone": "\x1b[31mred"},
        {"zone": "z" * 257},
        {"version": "1\n2"},
        {"node_id": "x" * 65},
        {"epoch": MAX_EPOCH + 1},
        {"virtual_nodes": 1 << 20},
        {"replication_factor": 1 << 31},
        {"address": "unix:/run/docker.sock"},
        {"load": replace(LOAD, cpu_percent=float("nan"))},
        {"load": replace(LOAD, error_rate=float("inf"))},
        {"load": replace(LOAD, gets_per_second=-1.0)},
    ],
)
def test_what_a_state_may_not_hold(change: dict[str, Any]) -> None:
    assert not flaw(replace(MEMBER, load=LOAD), NOW_MS)
    assert flaw(replace(MEMBER, **change), NOW_MS)
