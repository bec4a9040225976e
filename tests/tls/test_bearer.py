"""Channels whose calls carry a token."""

from typing import Any

import pytest

from limedb.errors import TokenFunctionError
from limedb.tls.bearer import bearer, with_token


class Channel:
    """Remembers the metadata of calls."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed = False

    def unary_unary(self, path: str, **_serializers: Any) -> Any:
        def call(request: object, timeout: float = 0, metadata: Any = None) -> None:
            self.sent.append((path, request, metadata))

        return call

    def close(self) -> None:
        self.closed = True


def test_without_a_token_a_channel_stays_itself() -> None:
    channel = Channel()
    assert with_token(channel, None) is channel
    assert bearer(None) == bearer("") == bearer(lambda: "") == ()


def test_each_call_carries_the_token_of_its_moment_and_keeps_its_metadata() -> None:
    channel, tokens = Channel(), iter(["one", "two", ""])
    wrapped = with_token(channel, lambda: next(tokens))
    call = wrapped.unary_unary("/a", request_serializer=None)
    call(1, metadata=(("x", "y"),))
    call(2, timeout=3)
    call(3)
    assert channel.sent == [
        ("/a", 1, (("authorization", "Bearer one"), ("x", "y"))),
        ("/a", 2, (("authorization", "Bearer two"),)),
        ("/a", 3, ()),
    ]
    wrapped.close()
    assert channel.closed


def test_a_function_that_fails_says_so_and_sends_nothing() -> None:
    channel = Channel()

    def fails() -> str:
        raise OSError("no vault")

    call = with_token(channel, fails).unary_unary("/a")
    with pytest.raises(
        TokenFunctionError, match="the function given as token failed: OSError: no vault"
    ) as no:
        call(1)
    assert isinstance(no.value.__cause__, OSError)
    for odd in (b"bytes", "two words", "line\n", 7):
        with pytest.raises(TokenFunctionError, match="one word of ASCII") as refused:
            bearer(lambda odd=odd: odd)  # type: ignore[misc]
        assert str(odd) not in str(refused.value)
    assert channel.sent == []
