"""Channels whose calls carry a token."""

from typing import Any

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
