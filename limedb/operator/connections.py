"""Connections of blocking calls: one for each block, or one for all commands of a shell.

It owns how long a channel is open. It must never make a call.

Tested in tests/cli/test_shell.py.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

import grpc

from limedb.tls.dialling import Options, open_channel
from limedb.tls.target import Target


class _Shared:
    """Channels that stay open until `opened` ends."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened, self._channels = opened, dict[tuple[str, Options], tuple[Target, grpc.Channel]]()

    def channel(self, to: Target, options: Options) -> grpc.Channel:
        """The channel of a target; a new one, if its files or its token have changed."""
        known = self._channels.get((to.address, options))
        if known is None or known[0] != to:
            known = to, self._opened.enter_context(open_channel(to, options))
            self._channels[to.address, options] = known
        return known[1]


_shared: ContextVar[_Shared | None] = ContextVar("limedb-shared-channels", default=None)


@contextmanager
def connection(to: Target, options: Options) -> Iterator[grpc.Channel]:
    """A channel to a target for the block. ConfigError: a file of its TLS can't be read."""
    if (shared := _shared.get()) is not None:
        yield shared.channel(to, options)
        return
    with open_channel(to, options) as channel:
        yield channel


@contextmanager
def sharing() -> Iterator[None]:
    """For the block, all calls of this thread to the same target go over one channel."""
    with ExitStack() as opened:
        token = _shared.set(_Shared(opened))
        try:
            yield
        finally:
            _shared.reset(token)
