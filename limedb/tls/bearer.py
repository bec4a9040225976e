"""Tokens on their way out: channels whose calls carry one.

It owns the header. It must never keep a token from a function: it calls the function for each call, so that
the function may return a newer one.

Tested in tests/tls/test_bearer.py.
"""

from collections.abc import Callable
from typing import Any, TypeGuard, TypeVar, cast

from limedb.errors import TokenFunctionError

HEADER = "authorization"
Token = str | Callable[[], str]
"""A token, or a function that returns the one of the moment; empty: none."""
Metadata = tuple[tuple[str, str], ...]

C = TypeVar("C")

_CALLS = frozenset({"unary_unary", "unary_stream", "stream_unary", "stream_stream"})


def bearer(token: Token | None) -> Metadata:
    """The metadata of a call; empty: there is no token. TokenFunctionError: its function fails."""
    text = _asked(token) if callable(token) else token
    return ((HEADER, f"Bearer {text}"),) if text else ()


def is_word(token: object) -> TypeGuard[str]:
    """Whether it can be sent as a token."""
    return isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token


def _asked(token: Callable[[], str]) -> str:
    """The token that a function returns. TokenFunctionError: the function fails, or returns something else,
    which the text doesn't repeat.
    """
    try:
        text = token()
    except Exception as error:
        raise TokenFunctionError(error) from error
    if text and not is_word(text):
        raise TokenFunctionError(TypeError("it must return one word of ASCII"))
    return text


def with_token(channel: C, token: Token | None) -> C:
    """The same channel, blocking or not, whose calls carry a token; None: the channel itself."""
    return channel if token is None else cast("C", _BearerChannel(channel, token))


class _BearerChannel:
    """A channel in the place of another."""

    def __init__(self, channel: Any, token: Token) -> None:  # noqa: ANN401 (gRPC has two kinds)
        self._channel, self._token = channel, token

    def __enter__(self) -> "_BearerChannel":
        self._channel.__enter__()
        return self

    def __exit__(self, *error: object) -> object:
        return self._channel.__exit__(*error)

    async def __aenter__(self) -> "_BearerChannel":
        await self._channel.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> object:
        return await self._channel.__aexit__(*error)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (as the channel's)
        found = getattr(self._channel, name)
        if name not in _CALLS:
            return found
        return lambda *args, **options: self._with_token(found(*args, **options))

    def _with_token(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def begin(*args: Any, metadata: Any = None, **options: Any) -> Any:  # noqa: ANN401 (gRPC's own)
            return call(*args, metadata=(*bearer(self._token), *(metadata or ())), **options)

        return begin
