"""Gossip's merge: what an exchange leaves both sides with."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.membership import MAX_HEARTBEAT, Ack, Digest, Membership, NodeState

A, B, C = "http://a:8484", "http://b:8484", "http://c:8484"


def node(url: str, generation: int = 1, heartbeat: int = 0) -> Membership:
    return Membership(NodeState(url, generation, heartbeat, address=url.removeprefix("http://")))


def exchange(a: Membership, b: Membership) -> None:
    """SYN, ACK, ACK2."""
    b.on_ack2(a.on_ack(b.on_syn(a.digests())))


def test_one_exchange_makes_both_sides_know_the_same() -> None:
    a, b = node(A, heartbeat=3), node(B, heartbeat=5)
    a.add(B)

    exchange(a, b)

    assert a.urls == b.urls == (A, B)
    assert a.state(B) == b.own
    assert b.state(A) == a.own


def test_what_a_third_node_told_is_passed_on() -> None:
    a, b, c = node(A), node(B), node(C, heartbeat=9)
    exchange(b, c)
    exchange(a, b)

    assert a.state(C) == c.own


def test_a_seed_is_known_by_its_name_at_once() -> None:
    a = node(A)
    a.add(B)
    a.add(B)

    assert a.state(B) == NodeState(B)
    assert a.take_news().joined == {B}
    assert a.state(C) is None


def test_knowing_oneself_changes_nothing() -> None:
    a = node(A)
    a.add(A)

    assert a.own.generation == 1
    assert not a.take_news().joined


def test_an_unknown_url_in_a_digest_is_a_known_node_at_once() -> None:
    a = node(A)
    ack = a.on_syn([Digest(B, 1, 4)])
    assert a.state(B)
    assert Digest(B, 0, 0) in ack.requests

    a.on_ack(Ack((), (Digest(C, 0, 0),)))
    assert a.urls == (A, B, C)


def test_a_name_alone_is_passed_on() -> None:
    a, b = node(A), node(B)
    b.add(C)
    exchange(a, b)

    assert a.state(C) == NodeState(C)


def test_an_ack_has_what_the_sender_lacks_and_asks_for_what_it_has() -> None:
    a = node(A, heartbeat=7)
    a.on_ack2([NodeState(B, 1, 5), NodeState(C, 1, 5)])

    ack = a.on_syn([Digest(B, 1, 4), Digest(C, 1, 6)])

    assert {s.url for s in ack.updates} == {A, B}
    assert ack.requests == (Digest(C, 1, 5),)


def test_nothing_is_said_when_both_know_the_same() -> None:
    a, b = node(A), node(B)
    exchange(a, b)

    assert b.on_syn(a.digests()) == Ack((), ())


def test_an_older_state_is_ignored_and_an_equal_one_is_no_news() -> None:
    a = node(A)
    a.on_ack2([NodeState(B, 2, 5, zone="z")])
    a.take_news()

    a.on_ack2([NodeState(B, 2, 4), NodeState(B, 1, 99), NodeState(B, 2, 5, zone="other")])

    assert a.state(B) == NodeState(B, 2, 5, zone="z")
    assert not a.take_news().advanced


def test_a_restarted_node_counts_from_zero_and_is_news() -> None:
    a = node(A)
    a.on_ack2([NodeState(B, 1, 500)])
    a.take_news()
    a.on_ack2([NodeState(B, 2, 0)])

    assert a.state(B) == NodeState(B, 2, 0)
    assert a.take_news().advanced == {B}


def test_news_names_what_joined_and_what_advanced_once() -> None:
    a = node(A)
    a.on_ack2([NodeState(B, 1, 1), NodeState(C)])

    news = a.take_news()

    assert news.joined == {B, C}
    assert news.advanced == {B}
    assert not a.take_news().joined | a.take_news().advanced


def test_a_beat_raises_the_own_heartbeat_and_reports_the_keys() -> None:
    a = node(A)
    a.heartbeat(keys=12)
    a.heartbeat()

    assert (a.own.heartbeat, a.own.keys) == (2, 12)


def test_a_heartbeat_at_its_limit_starts_a_new_generation() -> None:
    a = node(A, generation=7, heartbeat=MAX_HEARTBEAT)
    a.heartbeat()

    assert (a.own.generation, a.own.heartbeat) == (8, 1)


def test_the_own_state_is_never_overwritten() -> None:
    a = node(A, generation=5, heartbeat=5)
    a.on_ack2([NodeState(A, 5, 4, zone="forged"), NodeState(A, 4, 99, zone="forged")])

    assert a.own == NodeState(A, 5, 5, address="a:8484")


@pytest.mark.parametrize("newer", [(9, 0), (5, 6)], ids=["generation", "heartbeat"])
def test_a_newer_state_of_oneself_is_outbid(newer: tuple[int, int]) -> None:
    """The clock went back between two starts: others remember a newer one."""
    by_syn, by_ack, by_ack2 = (node(A, generation=5, heartbeat=5) for _ in range(3))
    ack = by_syn.on_syn([Digest(A, *newer)])
    by_ack.on_ack(Ack((), (Digest(A, *newer),)))
    by_ack2.on_ack2([NodeState(A, *newer, zone="old")])

    for a in (by_syn, by_ack, by_ack2):
        assert a.own == NodeState(A, newer[0] + 1, 5, address="a:8484")
    assert ack == Ack((by_syn.own,), ())


def test_a_cluster_accepts_a_node_whose_clock_went_back() -> None:
    a, b = node(A, generation=1000, heartbeat=50), node(B)
    exchange(a, b)
    a = node(A, generation=900, heartbeat=1)
    exchange(a, b)
    exchange(a, b)

    assert b.state(A) == a.own
    assert a.own.generation > 1000


def test_a_digest_without_generation_is_compared_by_its_heartbeat() -> None:
    """The SYN of a Go node: {"nodeUrl", "heartbeat"}."""
    a = node(A, heartbeat=1)
    a.on_ack2([NodeState(B, 77, 5)])

    assert {s.url for s in a.on_syn([Digest(A, 0, 1), Digest(B, 0, 4)]).updates} == {B}
    assert a.on_syn([Digest(A, 0, 1), Digest(B, 0, 5)]) == Ack((), ())
    assert a.on_syn([Digest(A, 0, 1), Digest(B, 0, 6)]) == Ack((), (Digest(B, 77, 5),))


def test_a_node_without_generations_is_followed_by_its_heartbeat() -> None:
    a = node(A)
    a.on_ack2([NodeState(B, 0, 3)])
    a.on_ack2([NodeState(B, 0, 4)])

    assert a.state(B) == NodeState(B, 0, 4)
    assert a.take_news().advanced == {B}


def test_a_heartbeat_of_oneself_without_generation_is_not_believed() -> None:
    a = node(A, generation=5, heartbeat=5)

    assert a.on_syn([Digest(A, 0, 999)]).requests == ()
    assert a.own.generation == 5


def test_a_digest_of_a_name_alone_lacks_even_a_node_that_never_beat() -> None:
    assert [s.url for s in node(A).on_syn([Digest(A, 0, 0)]).updates] == [A]


states = st.builds(NodeState, st.sampled_from([A, B, C]), st.integers(0, 3), st.integers(0, 3))


@given(st.lists(states), st.randoms(use_true_random=False))
def test_merging_the_same_states_in_any_order_gives_the_same(batch: list[NodeState], rng: Random) -> None:
    shuffled = batch * 2
    rng.shuffle(shuffled)
    one, other = node("http://me:1"), node("http://me:1")
    one.on_ack2(batch)
    for state in shuffled:
        other.on_ack2([state])

    assert {url: one.state(url) for url in one.urls} == {url: other.state(url) for url in other.urls}


@given(st.lists(states), st.lists(states))
def test_an_exchange_leaves_both_with_the_newest_of_all(
    left: list[NodeState], right: list[NodeState]
) -> None:
    x, y = node("http://x:1"), node("http://y:1")
    x.on_ack2(s for s in left if s.generation)
    y.on_ack2(s for s in right if s.generation)

    exchange(x, y)

    assert {url: x.state(url) for url in x.urls} == {url: y.state(url) for url in y.urls}


def converge(nodes: list[Membership], rng: Random) -> int:
    """Rounds, each node meeting one random node that it knows, until all know the state of all."""
    by_url = {n.own.url: n for n in nodes}
    for done in range(1, 100):
        for n in rng.sample(nodes, len(nodes)):
            n.heartbeat()
            exchange(n, by_url[rng.choice([url for url in n.urls if url != n.own.url] or [n.own.url])])
        if all(len(n) == len(nodes) and all(s.generation for s in map(n.state, n.urls) if s) for n in nodes):
            return done
    raise AssertionError("no convergence in 100 rounds")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("start", ["chain", "one seed"])
def test_a_hundred_nodes_know_each_other_within_12_rounds(start: str, seed: int) -> None:
    nodes = [node(f"http://node{i}:8484") for i in range(100)]
    for i, n in enumerate(nodes[:-1] if start == "chain" else nodes[1:]):
        n.add(f"http://node{i + 1 if start == 'chain' else 0}:8484")

    assert converge(nodes, Random(seed)) <= 12
