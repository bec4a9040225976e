"""Levels and counters: enough and hopeless, decided once, and quorums that meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.quorum import Level, Quorum, majority, needed

replicas = st.integers(1, 9)
levels = st.sampled_from(list(Level))


@pytest.mark.parametrize(
    ("level", "of_1", "of_2", "of_3", "of_5"),
    [
        (Level.ONE, 1, 1, 1, 1),
        (Level.QUORUM, 1, 2, 2, 3),
        (Level.LINEARIZABLE, 1, 2, 2, 3),
        (Level.ALL, 1, 2, 3, 5),
    ],
)
def test_a_level_asks_for_so_many_of_the_replicas(
    level: Level, of_1: int, of_2: int, of_3: int, of_5: int
) -> None:
    assert [needed(level, n) for n in (1, 2, 3, 5)] == [of_1, of_2, of_3, of_5]


@given(replicas)
def test_two_majorities_share_a_replica_and_a_minority_is_none(n: int) -> None:
    assert 2 * majority(n) > n
    assert 2 * (majority(n) - 1) <= n


@given(levels, replicas)
def test_every_level_can_be_reached_by_all_replicas(level: Level, n: int) -> None:
    assert 1 <= needed(level, n) <= n


@given(replicas, st.integers(0, 3), st.integers(0, 3), st.data())
def test_a_write_at_a_level_is_held_at_that_level_by_old_and_by_new_owners(
    n: int, gained: int, lost: int, data: st.DataObject
) -> None:
    """Of `needed + len(extra)` among current and extra, each side of a change holds its majority."""
    lost = min(lost, n, gained)
    extra = gained
    need = majority(n) + extra
    silent = data.draw(st.integers(0, n + extra - need))  # how many may be without it
    assert n - silent >= majority(n)  # all of the silent ones among the old owners
    new = n - lost + gained  # the new owners are those that stay and those that come
    assert new - silent >= majority(n)


@given(st.integers(1, 9), st.lists(st.booleans(), max_size=9))
def test_a_quorum_is_enough_or_hopeless_never_both_and_never_changes_its_mind(
    need: int, answers: list[bool]
) -> None:
    quorum = Quorum(need, len(answers))
    decided = (quorum.is_enough, quorum.is_hopeless)
    for answer in answers:
        if answer:
            quorum.ack()
        else:
            quorum.fail()
        now = (quorum.is_enough, quorum.is_hopeless)
        assert now != (True, True)
        assert now == decided or decided == (False, False)
        decided = now
    assert quorum.is_decided
    assert quorum.is_enough == (sum(answers) >= need)


def test_a_quorum_of_more_than_there_are_is_hopeless_from_the_start() -> None:
    assert Quorum(2, 1).is_hopeless
    assert not Quorum(2, 2).is_decided
