"""What an error says of a call that was tried more than once."""

from limedb.client.outcomes import NoAnswer, RetryPolicy
from limedb.client.retrying_executor import PendingCall
from limedb.errors import OutcomeUnknownError, ResponseTooLargeError, UnavailableError


def lost() -> NoAnswer:
    return NoAnswer("n:1", "the connection broke", begun=False)


def test_an_error_says_for_how_long_and_how_often_a_call_was_tried() -> None:
    job = PendingCall("k")
    for _ in range(3):
        job.take(lost())
    error = job.error()
    assert isinstance(error, UnavailableError)
    assert error.tried == "tried 3 times in 0.0 s"
    assert str(error) == f"no node answers at n:1: the connection broke ({error.tried})"


def test_an_error_of_the_only_try_does_not_count_it() -> None:
    job = PendingCall("k")
    job.take(lost())
    error = job.error()
    assert error is not None
    assert (error.tried, "tried" in str(error)) == ("", False)


def test_an_unknown_outcome_comes_with_the_error_that_ended_the_tries() -> None:
    job = PendingCall("k", b"write", once=bytes(16), operation="txn")
    job.take(NoAnswer("n:1", "the connection broke", begun=True))
    job.take(ResponseTooLargeError(9, 5, "ask for less"))
    error = job.error()
    assert isinstance(error, OutcomeUnknownError)
    assert "n:1: the connection broke" in str(error)
    assert str(error).endswith(
        "the last try: the answer would hold 9 bytes or more, over the limit of 5: ask for less)"
    )


def test_a_read_that_travels_as_a_write_leaves_nothing_open() -> None:
    job = PendingCall("k", b"read", operation="txn", is_read=True)
    assert job.take(NoAnswer("n:1", "the connection broke", begun=True)) is RetryPolicy.ANYWHERE
    error = job.error()
    assert isinstance(error, UnavailableError)
    assert not isinstance(error, OutcomeUnknownError)
    assert job.item(b"read") == b"read"
