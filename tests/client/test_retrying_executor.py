"""What an error says of a call that was tried more than once."""

from limedb.client.outcomes import NoAnswer
from limedb.client.retrying_executor import PendingCall
from limedb.errors import UnavailableError


def lost() -> NoAnswer:
    return NoAnswer("n:1", "the connection broke", begun=False)


def test_an_error_says_for_how_long_and_how_often_a_call_was_tried() -> None:
    job = PendingCall("k")
    for _ in range(3):
        job.take(lost())
    error = job.error()
    assert isinstance(error, UnavailableError)
    assert error.tried == "tried 3 times in 0.0 s"
    assert str(error) == f"nothing answers at n:1: the connection broke ({error.tried})"


def test_an_error_of_the_only_try_does_not_count_it() -> None:
    job = PendingCall("k")
    job.take(lost())
    error = job.error()
    assert error is not None
    assert (error.tried, "tried" in str(error)) == ("", False)
