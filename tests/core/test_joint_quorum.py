"""A question to both sides of a change is answered when each has given enough."""

from itertools import permutations

import pytest

from limedb.core.joint_quorum import JointTally
from limedb.core.quorum import Side

OLD, NEW = Side(("a", "b", "c"), 2), Side(("a", "b", "d"), 2)


def tally(*targets: str, holders: tuple[str, ...] = ()) -> JointTally[None]:
    return JointTally(1, targets, holders, (OLD, NEW))


def test_owners_that_are_on_both_sides_count_on_both() -> None:
    both = tally("a", "b", "c", "d")
    both.ack_by("a")
    assert (both.is_enough, both.needed) == (False, 2)
    both.ack_by("b")
    assert (both.is_enough, both.is_hopeless, both.needed) == (True, False, 2)


def test_it_takes_as_many_as_the_worse_side_lacks() -> None:
    both = tally("a", "b", "c", "d")
    for url in "c", "d":
        both.ack_by(url)
    assert (both.is_enough, both.needed) == (False, 3)
    both.ack_by("a")
    assert both.is_enough


def test_it_is_hopeless_as_soon_as_one_side_is() -> None:
    both = tally("a", "b", "c", "d")
    for url in "a", "d":
        assert not both.is_hopeless
        both.fail_by(url)
    assert (both.is_hopeless, both.is_enough) == (True, False)
    assert tally("a", "c").is_hopeless  # the others can't be asked


def test_holders_count_and_are_not_asked() -> None:
    both = tally("c", "d", holders=("a", "b"))
    assert (both.is_enough, both.acks, both.spare) == (True, 2, ["c", "d"])


@pytest.mark.parametrize("fails", [0, 1, 2])
def test_it_is_never_enough_and_hopeless_whatever_the_order(fails: int) -> None:
    for order in permutations("abcd"):
        both = tally(*order)
        for i, url in enumerate(order):
            (both.fail_by if i < fails else both.ack_by)(url)
            assert not (both.is_enough and both.is_hopeless)
        assert both.is_enough or both.is_hopeless


def test_without_sides_it_counts_as_any_question() -> None:
    one: JointTally[None] = JointTally(2, "abc")
    one.fail_by("a")
    one.ack_by("b")
    assert (one.is_enough, one.is_hopeless, one.needed) == (False, False, 2)
    one.ack_by("c")
    assert one.is_enough
