"""What takes the place of a damaged record: the rule of `healing.judge`, held against all cases."""

from itertools import combinations, product

import pytest

from limedb.core.layout import Owners
from limedb.core.quorum import majority
from limedb.core.record import Record
from limedb.errors import LimeDBError, RecordDamagedError, RequestTimeoutError
from limedb.ports import Held
from limedb.replication.repair.healing import Outcome, Verdict, judge

OLD, NEW = Record("k", "old", 1), Record("k", "new", 2)
DAMAGED, SILENT = RecordDamagedError(("k",), "rot"), RequestTimeoutError(1, "b")
Answer = Held | LimeDBError


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ((NEW, OLD), Verdict(Outcome.MENDED, NEW)),
        ((None, OLD), Verdict(Outcome.MENDED, OLD)),
        ((None, None), Verdict(Outcome.MENDED, None)),
        ((OLD, SILENT), Verdict(Outcome.WAITING)),
        ((DAMAGED, SILENT), Verdict(Outcome.WAITING)),
        ((OLD, DAMAGED), Verdict(Outcome.MENDED, OLD)),  # nobody knows more
        ((None, DAMAGED), Verdict(Outcome.LOST)),
        ((DAMAGED, DAMAGED), Verdict(Outcome.LOST)),
    ],
)
def test_of_three_owners_both_others_must_answer(answers: tuple[Answer, ...], verdict: Verdict) -> None:
    owners = Owners(("a", "b", "c"), (), 3)
    assert judge("a", owners, dict(zip("bc", answers, strict=True))) == verdict


def test_a_single_copy_is_lost() -> None:
    assert judge("a", Owners(("a",), (), 1), {}) == Verdict(Outcome.LOST)


def test_of_two_owners_the_other_answers() -> None:
    owners = Owners(("a", "b"), (), 2)
    assert judge("a", owners, {"b": OLD}) == Verdict(Outcome.MENDED, OLD)
    assert judge("a", owners, {"b": None}) == Verdict(Outcome.MENDED, None)


def test_a_new_owner_takes_what_a_majority_of_those_says_who_are_read() -> None:
    owners = Owners(("b", "c", "d"), ("a",), 3)
    assert judge("a", owners, {"b": NEW, "c": None, "d": SILENT}) == Verdict(Outcome.MENDED, NEW)
    assert judge("a", owners, {"b": NEW, "c": SILENT, "d": SILENT}) == Verdict(Outcome.WAITING)


def test_where_an_owner_is_lacking_nothing_is_taken_for_lost() -> None:
    """One that lost its data is no owner that is read, but counts."""
    assert judge("a", Owners(("a", "b"), (), 3), {"b": DAMAGED}) == Verdict(Outcome.WAITING)


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 5])
def test_an_acknowledged_write_is_never_replaced_by_an_older_one(replicas: int) -> None:
    """Whoever of a majority acknowledged it, this node included, and whoever else is silent."""
    names = "abcde"[:replicas]
    others = names[1:]
    for holders in combinations(names, majority(replicas)):
        if "a" not in holders:
            continue
        for silent in product((False, True), repeat=len(others)):
            answers: dict[str, Answer] = {
                url: SILENT if is_silent else NEW if url in holders else OLD
                for url, is_silent in zip(others, silent, strict=True)
            }
            verdict = judge("a", Owners(tuple(names), (), replicas), answers)
            assert verdict.outcome is not Outcome.MENDED or verdict.record == NEW
