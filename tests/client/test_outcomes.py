"""What is tried again, and what a caller is told."""

import pytest

from limedb.client.outcomes import MISSING, Again, Lost, Outcome, again, error_of
from limedb.errors import (
    ClockSkewError,
    ContendedError,
    InvalidRequestError,
    LevelUnreachableError,
    OutcomeUnknownError,
    OverloadedError,
    RemoteError,
    RequestTimeoutError,
    StoreFullError,
    UnavailableError,
)

BEGUN, UNSENT = Lost("a:1", "broken", begun=True), Lost("a:1", "broken", begun=False)
LATE = Lost("a:1", "late", begun=True, waited=2.0)
REFUSED = LevelUnreachableError("k", "quorum", 2, 1, 3, {})
UNKNOWN = OutcomeUnknownError("k", 2, 1, {})


@pytest.mark.parametrize(
    ("outcome", "read", "write", "repeatable"),
    [
        ("value", Again.NO, Again.NO, Again.NO),
        (MISSING, Again.NO, Again.NO, Again.NO),
        (BEGUN, Again.ANYWHERE, Again.NO, Again.ANYWHERE),
        (UNSENT, Again.ANYWHERE, Again.ANYWHERE, Again.ANYWHERE),
        (LATE, Again.NO, Again.NO, Again.NO),
        (REFUSED, Again.ELSEWHERE, Again.ELSEWHERE, Again.ELSEWHERE),
        (ClockSkewError("it", 2, 1), Again.ELSEWHERE, Again.ELSEWHERE, Again.ELSEWHERE),
        (OverloadedError("reads", 2, 9, 10), Again.ELSEWHERE, Again.ELSEWHERE, Again.ELSEWHERE),
        (UNKNOWN, Again.NO, Again.NO, Again.ELSEWHERE),
        (ContendedError("k", 8), Again.NO, Again.NO, Again.NO),
        (InvalidRequestError("x"), Again.NO, Again.NO, Again.NO),
        (StoreFullError("x"), Again.NO, Again.NO, Again.NO),
        (RemoteError("n", "New", "UNAVAILABLE", "x"), Again.ELSEWHERE, Again.NO, Again.NO),
        (RemoteError("n", "New", "INTERNAL", "x"), Again.NO, Again.NO, Again.NO),
    ],
)
def test_what_can_do_no_harm_is_tried_again(
    outcome: Outcome, read: Again, write: Again, repeatable: Again
) -> None:
    assert again(outcome, is_write=False, repeatable=False) is read
    assert again(outcome, is_write=True, repeatable=False) is write
    assert again(outcome, is_write=True, repeatable=True) is repeatable


@pytest.mark.parametrize(
    ("outcome", "read", "write"),
    [
        (BEGUN, UnavailableError, OutcomeUnknownError),
        (UNSENT, UnavailableError, UnavailableError),
        (LATE, RequestTimeoutError, OutcomeUnknownError),
    ],
)
def test_no_answer_is_told_as_what_it_means(
    outcome: Lost, read: type[Exception], write: type[Exception]
) -> None:
    assert type(error_of("k", outcome, is_write=False)) is read
    assert type(error_of("k", outcome, is_write=True)) is write
