"""What is tried again, and what a caller is told."""

import pytest

from limedb.client.outcomes import MISSING, NoAnswer, Outcome, RetryPolicy, again, error_of
from limedb.errors import (
    AnswerForgottenError,
    ClockSkewError,
    ContendedError,
    InvalidRequestError,
    LevelUnreachableError,
    LimitExceededError,
    OutcomeUnknownError,
    OverloadedError,
    PartialFailureError,
    RemoteError,
    RequestTimeoutError,
    StoreFullError,
    UnavailableError,
)

BEGUN, UNSENT = NoAnswer("a:1", "broken", begun=True), NoAnswer("a:1", "broken", begun=False)
LATE = NoAnswer("a:1", "late", begun=True, waited=2.0)
REFUSED = LevelUnreachableError("k", "quorum", 2, 1, 3, {})
UNKNOWN = OutcomeUnknownError("k", 2, 1, {})


@pytest.mark.parametrize(
    ("outcome", "read", "write", "repeatable"),
    [
        ("value", RetryPolicy.NO, RetryPolicy.NO, RetryPolicy.NO),
        (MISSING, RetryPolicy.NO, RetryPolicy.NO, RetryPolicy.NO),
        (BEGUN, RetryPolicy.ANYWHERE, RetryPolicy.NO, RetryPolicy.ANYWHERE),
        (UNSENT, RetryPolicy.ANYWHERE, RetryPolicy.ANYWHERE, RetryPolicy.ANYWHERE),
        (AnswerForgottenError("k", 2, 2, {}), RetryPolicy.NO, RetryPolicy.NO, RetryPolicy.NO),
        (LATE, RetryPolicy.NO, RetryPolicy.NO, RetryPolicy.NO),
        (REFUSED, RetryPolicy.ELSEWHERE, RetryPolicy.ELSEWHERE, RetryPolicy.ELSEWHERE),
        (ClockSkewError("it", 2, 1), RetryPolicy.ELSEWHERE, RetryPolicy.ELSEWHERE, RetryPolicy.ELSEWHERE),
        (
            OverloadedError("reads", 2, 9, 10),
            RetryPolicy.ELSEWHERE,
            RetryPolicy.ELSEWHERE,
            RetryPolicy.ELSEWHERE,
        ),
        (
            LimitExceededError("user a", "CLIENT_RATE", 9, "requests a second", 0.5),
            RetryPolicy.LATER,
            RetryPolicy.LATER,
            RetryPolicy.LATER,
        ),
        (UNKNOWN, RetryPolicy.NO, RetryPolicy.NO, RetryPolicy.ELSEWHERE),
        (ContendedError("k", 8), RetryPolicy.NO, RetryPolicy.NO, RetryPolicy.NO),
        (InvalidRequestError("x"), RetryPolicy.NO, RetryPolicy.NO, RetryPolicy.NO),
        (StoreFullError("x"), RetryPolicy.NO, RetryPolicy.NO, RetryPolicy.NO),
        (RemoteError("n", "NEW", "UNAVAILABLE", "x"), RetryPolicy.ELSEWHERE, RetryPolicy.NO, RetryPolicy.NO),
        (RemoteError("n", "NEW", "INTERNAL", "x"), RetryPolicy.NO, RetryPolicy.NO, RetryPolicy.NO),
    ],
)
def test_what_can_do_no_harm_is_tried_again(
    outcome: Outcome, read: RetryPolicy, write: RetryPolicy, repeatable: RetryPolicy
) -> None:
    assert again(outcome, is_write=False, repeatable=False) is read
    assert again(outcome, is_write=True, repeatable=False) is write
    assert again(outcome, is_write=True, repeatable=True) is repeatable


def test_a_write_that_was_never_sent_is_not_written() -> None:
    late = NoAnswer("a:1", "late", begun=False, waited=2.0)
    write, read = error_of("k", late, is_write=True), error_of("k", late, is_write=False)
    assert isinstance(write, RequestTimeoutError)
    assert isinstance(read, RequestTimeoutError)
    assert (write.nothing_written, read.nothing_written) == (True, False)
    unknown = error_of("k", LATE, is_write=True)
    assert isinstance(unknown, OutcomeUnknownError)
    assert not unknown.nothing_written


def test_many_are_unwritten_if_each_is_and_none_was_written() -> None:
    unwritten, unknown = UnavailableError("x"), OutcomeUnknownError("l", 2, 1, {})
    assert PartialFailureError({"k": unwritten, "l": unwritten}, 2).nothing_written
    assert not PartialFailureError({"k": unwritten, "l": unwritten}, 3).nothing_written
    assert not PartialFailureError({"k": unwritten, "l": unknown}, 2).nothing_written


@pytest.mark.parametrize(
    ("outcome", "read", "write"),
    [
        (BEGUN, UnavailableError, OutcomeUnknownError),
        (UNSENT, UnavailableError, UnavailableError),
        (LATE, RequestTimeoutError, OutcomeUnknownError),
    ],
)
def test_no_answer_is_reported_as_what_it_means(
    outcome: NoAnswer, read: type[Exception], write: type[Exception]
) -> None:
    assert type(error_of("k", outcome, is_write=False)) is read
    assert type(error_of("k", outcome, is_write=True)) is write
