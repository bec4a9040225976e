"""The owners before, during and after a change."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limedb.core.layout import EVERYTHING, Layout, Owners, Span, coalesce, subtract
from limedb.core.quorum import Level, lacking, majority
from limedb.core.ring import TOKENS
from limedb.core.topology import (
    Member,
    Phase,
    Topology,
    finish,
    hand_over,
    initial_topology,
    join,
    leave,
    remove,
)
from limedb.errors import NotMemberError


def member(i: int, zone: str = "", points: int = 3, node_id: str = "") -> Member:
    return Member(node_id or f"id{i}", f"http://node{i}:1", zone, points)


def cluster(nodes: int, factor: int = 3, zones: int = 0, points: int = 3) -> Topology:
    members = [member(i, f"z{i % zones}" if zones else "", points) for i in range(nodes)]
    return initial_topology("c" * 16, factor, members)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 3))
def test_where_all_nodes_own_all_the_owners_of_one_token_are_those_of_every_one(
    nodes: int, factor: int, zones: int
) -> None:
    layout = Layout(cluster(nodes, factor, zones))
    assert (layout.everywhere is not None) == (nodes <= factor)
    if (everywhere := layout.everywhere) is not None:
        for _, owners in layout.segments():
            assert (set(owners.natural), *owners[1:]) == (set(everywhere.natural), *everywhere[1:])


@pytest.mark.parametrize("change", ["join", "leave"])
def test_while_owners_change_no_token_stands_for_all(change: str) -> None:
    streaming = CHANGES[change](cluster(3))
    for topology in (streaming, hand_over(streaming)):
        assert Layout(topology).everywhere is None
    assert Layout(Topology()).everywhere is None


CHANGES: dict[str, Callable[[Topology], Topology]] = {
    "join": lambda t: join(t, member(99, "z1")),
    "replace": lambda t: join(t, member(0, "z0", node_id="other")),
    "leave": lambda t: leave(t, "id0"),
    "remove": lambda t: remove(t, "id1"),
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CHANGES)), st.integers(2, 6), st.integers(1, 4), st.integers(0, 3))
def test_a_write_quorum_meets_every_majority_of_old_and_new_owners(
    change: str, nodes: int, factor: int, zones: int
) -> None:
    steady = cluster(nodes, factor, zones)
    streaming = CHANGES[change](steady)
    before, after = Layout(steady), Layout(finish(hand_over(streaming)))
    for topology in (streaming, hand_over(streaming)):
        for span, owners in Layout(topology).segments():
            assert not set(owners.natural) & set(owners.pending)
            assert len(set(owners.write_set)) == len(owners.write_set)
            old, new = before.of(span.last), after.of(span.last)
            lost = {"http://node0:1"} if change == "replace" else set()
            for acks in least_quorums(owners):
                assert _meets(set(acks), old.replicas, set(old.natural) - lost)
                assert _meets(set(acks), new.replicas, set(new.natural))


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 7), st.integers(1, 5), st.integers(0, 3), st.lists(st.integers(0, 5), max_size=4))
def test_an_acknowledged_write_is_on_a_majority_of_the_owners_after_every_change(
    nodes: int, factor: int, zones: int, goes: list[int]
) -> None:
    """Before and while it streams, counting what is fetched from as many owners as `sources_needed` says."""
    steady = cluster(nodes, factor, zones)
    for i in goes:
        if len(steady.members) == 1:
            return
        streaming = leave(steady, steady.members[i % len(steady.members)].node_id)
        before, after = Layout(steady), Layout(finish(hand_over(streaming)))
        for span, owners in Layout(streaming).segments():
            old, new = before.of(span.last), after.of(span.last)
            kept = set(new.natural) - set(owners.streaming)
            for acks in combinations(old.natural, majority(old.replicas)):  # long ago
                assert all(set(acks) & set(s) for s in combinations(owners.natural, owners.sources_needed))
                assert len(new.natural) - len(kept - set(acks)) >= majority(new.replicas)
            quorums = [*least_quorums(owners)]
            assert quorums
            for acks in quorums:  # while it streams
                assert len(set(acks) & set(new.natural)) >= majority(new.replicas)
                assert _meets(set(acks), old.replicas, set(old.natural))
                assert _meets(set(acks), owners.replicas, set(owners.natural))
        steady = after.topology


def least_quorums(owners: Owners, level: Level = Level.QUORUM) -> Iterator[tuple[str, ...]]:
    """The sets of owners that are enough for a write, each without a node that could be left out."""
    return least_sets(owners, partial(owners.lacking, level))


def least_sets(owners: Owners, lacks: Callable[[tuple[str, ...]], int]) -> Iterator[tuple[str, ...]]:
    """The sets of owners that are enough, each without a node that could be left out."""
    found: list[set[str]] = []
    for size in range(len(owners.write_set) + 1):
        for acks in combinations(owners.write_set, size):
            if lacks(acks) <= 0 and not any(less <= {*acks} for less in found):
                found.append({*acks})
                yield acks


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CHANGES)), st.integers(2, 6), st.integers(1, 4), st.integers(0, 3))
def test_quorums_of_writes_meet_each_other_and_every_majority_that_reads_during_a_change(
    change: str, nodes: int, factor: int, zones: int
) -> None:
    """Within an epoch and from one to the next. The sets that nodes of 0.2 ask for are among them."""
    streaming = CHANGES[change](cluster(nodes, factor, zones))
    layouts = Layout(streaming), Layout(hand_over(streaming)), Layout(finish(hand_over(streaming)))
    for span, one in layouts[0].segments():
        epochs = [one, layouts[1].of(span.last), layouts[2].of(span.last)]
        for number, owners in enumerate(epochs):
            for acks in least_quorums(owners):
                for later in epochs[number : number + 2]:
                    assert all({*acks} & {*others} for others in least_quorums(later))
                for read in epochs[max(0, number - 1) : number + 2]:
                    assert _meets({*acks}, read.replicas, {*read.natural})
            need = majority(owners.replicas) + len(owners.pending)
            for acks in combinations(owners.write_set, need):
                assert owners.lacking(Level.QUORUM, acks) <= 0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CHANGES)), st.integers(2, 6), st.integers(1, 4), st.integers(0, 3))
def test_what_is_settled_while_it_streams_meets_every_quorum_and_needs_no_more_than_the_sources(
    change: str, nodes: int, factor: int, zones: int
) -> None:
    steady = cluster(nodes, factor, zones)
    streaming = CHANGES[change](steady)
    before, layouts = Layout(steady), [Layout(streaming), Layout(hand_over(streaming))]
    layouts.append(Layout(finish(hand_over(streaming))))
    lost = {"http://node0:1"} if change == "replace" else set()
    for span, owners in layouts[0].segments():
        if not owners.other_replicas:
            assert owners.sides_to_settle() == ()
            continue
        sources = owners.natural[len(owners.natural) - owners.sources_needed :]
        assert lacking(owners.sides_to_settle(), {*sources, *owners.others}) <= 0
        settled = [*least_sets(owners, partial(lacking, owners.sides_to_settle()))]
        old = before.of(span.last)
        for acks in settled:
            assert _meets({*acks}, old.replicas, {*old.natural} - lost)
            assert all({*acks} & {*others} for others in settled)
            for layout in layouts:
                assert all({*acks} & {*others} for others in least_quorums(layout.of(span.last)))
        changing = layouts[1].of(span.last)
        assert changing.sides_to_settle() == changing.sides(Level.QUORUM)


def test_a_newcomer_that_is_away_is_not_needed_where_the_others_are_enough_on_both_sides() -> None:
    replaced = join(cluster(3), member(0, node_id="other"))
    added, removed = join(cluster(3), member(9)), remove(cluster(4), "id0")
    for topology, gone in ((replaced, 0), (added, 9), (removed, 0)):
        for changing in (topology, hand_over(topology)):
            for _, owners in Layout(changing).segments():
                there = [url for url in owners.write_set if url != f"http://node{gone}:1"]
                assert owners.lacking(Level.QUORUM, there) <= 0
                assert owners.lacking(Level.ALL, there) > 0 or not owners.other_replicas


def test_the_second_replica_of_all_is_needed_from_the_moment_it_joins() -> None:
    for topology in (joining := join(cluster(1), member(9)), hand_over(joining)):
        for _, owners in Layout(topology).segments():
            assert owners.lacking(Level.QUORUM, ["http://node0:1"]) == 1


def _meets(acks: set[str], replicas: int, owners: set[str]) -> bool:
    """Whether a majority of the replicas, read among those owners, includes one that acknowledged."""
    return len(owners - acks) < majority(replicas)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 3), st.integers(0, 4))
def test_segments_cover_all_tokens_once_and_return_what_of_returns(
    nodes: int, factor: int, zones: int, points: int
) -> None:
    layout = Layout(cluster(nodes, factor, zones, points))
    end = -1
    for span, owners in layout.segments():
        assert span.first == end + 1
        end = span.last
        assert layout.of(span.first) == layout.of(span.last) == owners
        assert len(set(owners.natural)) == owners.replicas == min(nodes, factor)
        zones_of = [int(url[11:-2]) % zones for url in owners.natural] if zones else []
        assert len(set(zones_of)) == min(zones, factor, nodes)
    assert end == TOKENS - 1


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["steady", *sorted(CHANGES)]),
    st.integers(2, 6),
    st.integers(1, 4),
    st.integers(0, 3),
    st.lists(st.integers(0, TOKENS - 1), max_size=20),
)
def test_tokens_of_one_write_set_are_those_that_the_same_nodes_own(
    change: str, nodes: int, factor: int, zones: int, tokens: list[int]
) -> None:
    steady = cluster(nodes, factor, zones)
    changed = steady if change == "steady" else CHANGES[change](steady)
    for topology in changed, *([] if changed is steady else [hand_over(changed)]):
        layout = Layout(topology)
        shares = layout.by_write_set(iter(tokens), len(tokens))
        assert sorted(place for _, places in shares for place in places) == [*range(len(tokens))]
        for owners, places in shares:
            assert [*places] == sorted(places)
            for place in places:
                own = layout.of(tokens[place])
                assert set(own.natural) == set(owners.natural)
                assert set(own.pending) == set(owners.pending)
                assert set(own.others) == set(owners.others)
                same = {"natural": (), "pending": (), "others": ()}
                assert own._replace(**same) == owners._replace(**same)
        sets = [
            o._replace(natural=frozenset(o.natural), pending=frozenset(o.pending), others=frozenset(o.others))
            for o, _ in shares
        ]
        assert len(set(sets)) == len(sets)


def test_a_node_without_a_cluster_knows_no_owners_of_tokens() -> None:
    with pytest.raises(NotMemberError):
        Layout(Topology()).by_write_set([5], 1)


def test_a_node_added_takes_its_share_and_none_moves_between_old_nodes() -> None:
    steady = cluster(5, points=128)
    before, after = Layout(steady), Layout(finish(hand_over(join(steady, member(5, points=128)))))
    for span, owners in after.segments():
        old = before.of(span.last)
        assert set(owners.natural) - {"http://node5:1"} <= set(old.natural)
    assert after.share("http://node5:1") == pytest.approx(3 / 6, rel=0.15)


def test_reads_ask_the_old_owners_until_handover_and_the_new_ones_then() -> None:
    steady = cluster(4)
    streaming = leave(steady, "id0")
    after = Layout(finish(hand_over(streaming)))
    for span, owners in Layout(streaming).segments():
        assert owners.natural == Layout(steady).of(span.last).natural
        assert set(owners.pending) == set(after.of(span.last).natural) - set(owners.natural)
    for span, owners in Layout(hand_over(streaming)).segments():
        assert owners.natural == after.of(span.last).natural


def test_what_a_node_gains_is_what_it_is_written_besides() -> None:
    streaming = join(cluster(4), member(9))
    layout = Layout(streaming)

    assert sum(span.size for span, _ in layout.ranges_to_stream("http://node9:1")) == pytest.approx(
        Layout(hand_over(streaming)).share("http://node9:1") * TOKENS
    )
    assert layout.ranges_to_stream("http://node0:1") == []
    assert Layout(hand_over(streaming)).ranges_to_stream("http://node9:1") == []


def test_a_lost_node_is_neither_read_nor_counted_out() -> None:
    streaming = join(cluster(3), member(0, node_id="other"))
    for _, owners in Layout(streaming).segments():
        assert set(owners.natural) == {"http://node1:1", "http://node2:1"}
        assert owners.pending == ("http://node0:1",)
        assert owners.replicas == 3


def test_a_fresh_node_owns_nothing() -> None:
    layout = Layout(Topology())

    assert list(layout.segments()) == []
    assert layout.topology.phase is Phase.STEADY
    with pytest.raises(NotMemberError):
        layout.of_key("k")


def test_spans_and_shares_agree() -> None:
    layout = Layout(cluster(5))
    urls = [f"http://node{i}:1" for i in range(5)]
    for url in urls:
        assert sum(s.size for s in layout.spans(url)) / TOKENS == pytest.approx(layout.share(url))
    assert sum(layout.share(url) for url in urls) == pytest.approx(3)
    assert layout.shared(urls[0], urls[0]) == layout.spans(urls[0])


@given(st.lists(st.integers(0, 60), min_size=2, max_size=16, unique=True), st.integers(0, 8))
def test_without_leaves_what_was_not_taken(edges: list[int], cut: int) -> None:
    edges.sort()
    spans = [Span(a, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    gaps = [Span(i, i + cut) for i in range(5, 60, 20)]
    left = {t for span in subtract(spans, gaps) for t in range(span.first, span.last + 1)}
    tokens = {t for span in spans for t in range(span.first, span.last + 1)}

    assert left == tokens - {t for gap in gaps for t in range(gap.first, gap.last + 1)}


def test_neighbours_become_one() -> None:
    assert coalesce([Span(0, 1), Span(2, 5), Span(7, 8)]) == [Span(0, 5), Span(7, 8)]
    assert coalesce([EVERYTHING]) == [EVERYTHING]
