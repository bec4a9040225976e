"""The checker of groups passes what has an order, and nothing else."""

from math import inf

import pytest

from tests.support.linearizable import UndecidedError
from tests.support.linearizable_groups import GroupOp, check_group

A, B = ("a", "1"), ("b", "2")
NOTHING = (("a", None), ("b", None))


def test_a_change_is_seen_wholly_or_not_at_all() -> None:
    change = GroupOp(0, 10, writes=(A, B), succeeded=True)
    before, after = (GroupOp(1, 2, reads=reads, succeeded=True) for reads in (NOTHING, (A, B)))
    part = GroupOp(3, 4, reads=(A, ("b", None)), succeeded=True)
    assert check_group([change, before]) is None
    assert check_group([change, after]) is None
    assert check_group([change, part]) is not None


def test_two_reads_of_a_key_each_see_one_change_in_the_order_of_time() -> None:
    change = GroupOp(0, 10, writes=(A, B), succeeded=True)
    first = GroupOp(1, 2, reads=(A,), succeeded=True)
    for start, is_fine in ((1.5, True), (3, False)):
        second = GroupOp(start, 4, reads=(("b", None),), succeeded=True)
        assert (check_group([change, first, second]) is None) == is_fine


def test_a_comparison_is_judged_on_what_is_held() -> None:
    put = GroupOp(0, 1, writes=(A,), succeeded=True)
    for value, succeeded in (("1", True), ("1", False), (None, True), (None, False)):
        later = GroupOp(2, 3, compare=(("a", value),), writes=(B,), others=(("c", "3"),), succeeded=succeeded)
        assert (check_group([put, later]) is None) == ((value == "1") == succeeded)


def test_what_nobody_knows_may_have_taken_effect_or_not() -> None:
    unknown = GroupOp(0, inf, compare=(("a", None),), writes=(A, B))
    assert check_group([unknown, GroupOp(1, 2, reads=NOTHING, succeeded=True)]) is None
    assert check_group([unknown, GroupOp(1, 2, reads=(B,), succeeded=True)]) is None
    put = GroupOp(1, 2, writes=(("a", "x"),), succeeded=True)
    assert check_group([put, unknown, GroupOp(3, 4, reads=(B,), succeeded=True)]) is None
    early = GroupOp(5, inf, writes=(A,))
    assert check_group([early, GroupOp(1, 2, reads=(A,), succeeded=True)]) is not None


def test_each_addition_counts_once() -> None:
    adds = [GroupOp(i, i + 0.5, adds=(("n", 2),), sums=(("n", 2 * i + 2),), succeeded=True) for i in range(3)]
    assert check_group(adds) is None
    assert check_group([*adds, GroupOp(4, 5, reads=(("n", "8"),), succeeded=True)]) is not None
    lost = GroupOp(0, inf, adds=(("n", 2),))
    assert check_group([*adds, lost, GroupOp(4, 5, reads=(("n", "8"),), succeeded=True)]) is None


def test_a_search_that_grows_too_large_is_no_pass() -> None:
    many = [GroupOp(0, 1, writes=(("a", str(i)),), succeeded=True) for i in range(12)]
    wrong = GroupOp(2, 3, reads=(("a", "never"),), succeeded=True)
    with pytest.raises(UndecidedError):
        check_group([*many, wrong], max_looks=500)
