"""The topologies that may follow another, and the nodes that decide it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.topology import (
    Member,
    MemberState,
    Phase,
    Topology,
    cancel,
    extend_removal,
    finish,
    give_way,
    hand_over,
    initial_topology,
    is_successor,
    join,
    leave,
    remove,
)
from limedb.errors import TopologyChangeError


def member(name: str, url: str = "") -> Member:
    return Member(f"id-{name}", url or f"http://{name}:1", virtual_nodes=4)


STEADY = initial_topology("c" * 16, 3, [member(n) for n in "dacb"])
STEPS: list[Callable[[Topology], Topology]] = [
    lambda t: join(t, member("e")),
    lambda t: join(t, member("a2", "http://a:1")),
    lambda t: leave(t, "id-a"),
    lambda t: remove(t, "id-b"),
    lambda t: extend_removal(t, "id-c"),
    hand_over,
    finish,
    cancel,
    lambda t: give_way(t, True),
    lambda t: give_way(t, False),
]


def walk(choices: list[int]) -> list[Topology]:
    """The history that comes of taking those of the steps that may be taken."""
    history = [STEADY]
    for choice in choices:
        try:
            history.append(STEPS[choice](history[-1]))
        except TopologyChangeError:
            continue
    return history


@given(st.lists(st.integers(0, len(STEPS) - 1), max_size=30))
def test_every_step_makes_a_successor_and_keeps_the_rules(choices: list[int]) -> None:
    history = walk(choices)
    for before, after in pairwise(history):
        assert is_successor(before, after)
        assert not is_successor(after, before)
        assert after.epoch == before.epoch + 1
        assert after.members == tuple(sorted(after.members, key=lambda m: m.node_id))
        assert (after.phase is Phase.STEADY) == (not after.changing)
        assert after.new_owners
        assert after.old_owners
        assert {m.node_id for m in after.voters} <= {m.node_id for m in before.members}


@given(st.lists(st.integers(0, len(STEPS) - 1), max_size=12), st.data())
def test_what_no_step_makes_is_no_successor(choices: list[int], data: st.DataObject) -> None:
    before = walk(choices)[-1]
    after = data.draw(
        st.sampled_from(
            [
                replace(before, epoch=before.epoch + 1, members=before.members[1:]),
                replace(before, epoch=before.epoch + 1, replication_factor=1),
                replace(before, epoch=before.epoch + 2),
                replace(before, epoch=before.epoch + 1, cluster_id="d" * 16),
                replace(before, epoch=before.epoch + 1, members=(*before.members, member("zz"))),
            ]
        )
    )
    assert not is_successor(before, after)


def test_a_join_takes_three_epochs() -> None:
    streaming = join(STEADY, member("e"))
    handed = hand_over(streaming)
    done = finish(handed)

    assert streaming.phase is Phase.STREAMING
    assert handed.phase is Phase.HANDOVER
    assert done.phase is Phase.STEADY
    assert done.epoch == STEADY.epoch + 3
    assert [m.url for m in done.members] == [f"http://{n}:1" for n in "abcde"]


def test_who_joins_has_no_vote_and_who_goes_keeps_it_to_the_end() -> None:
    assert "id-e" not in {m.node_id for m in join(STEADY, member("e")).voters}
    assert "id-e" not in {m.node_id for m in hand_over(join(STEADY, member("e"))).voters}
    assert "id-a" in {m.node_id for m in hand_over(leave(STEADY, "id-a")).voters}
    assert "id-a" not in {m.node_id for m in finish(hand_over(leave(STEADY, "id-a"))).voters}


@pytest.mark.parametrize("step", STEPS[:4])
def test_a_cancelled_change_restores_what_was(step: Callable[[Topology], Topology]) -> None:
    streaming = step(STEADY)

    assert cancel(streaming).members == STEADY.members
    with pytest.raises(TopologyChangeError, match="can't be cancelled"):
        cancel(hand_over(streaming))


def test_a_new_node_at_an_old_url_takes_its_place() -> None:
    streaming = join(STEADY, member("a2", "http://a:1"))

    assert streaming.member("id-a") == replace(member("a"), standing=MemberState.REMOVING)
    assert streaming.at("http://a:1") == streaming.member("id-a2")
    assert [m.node_id for m in finish(hand_over(streaming)).members] == ["id-a2", "id-b", "id-c", "id-d"]


def test_one_change_at_a_time() -> None:
    streaming = leave(STEADY, "id-a")
    for step in (STEPS[0], STEPS[3], STEPS[8]):
        with pytest.raises(TopologyChangeError, match="another change runs: http://a:1 is leaving"):
            step(streaming)


def test_a_second_dead_node_is_removed_with_the_first() -> None:
    both = extend_removal(remove(STEADY, "id-b"), "id-c")

    assert {m.node_id for m in both.new_owners} == {"id-a", "id-d"}
    with pytest.raises(TopologyChangeError):
        extend_removal(leave(STEADY, "id-a"), "id-c")


def test_the_last_node_can_not_go() -> None:
    alone = initial_topology("c" * 16, 3, [member("a")])

    with pytest.raises(TopologyChangeError, match="nobody would keep its data"):
        leave(alone, "id-a")


def test_a_cluster_that_gives_way_changes_in_no_other_way() -> None:
    giving = give_way(STEADY, True)

    with pytest.raises(TopologyChangeError, match="about to join another"):
        join(giving, member("e"))
