"""The messages of a stream: as the client sends them, and as they are written whole.

It owns the effect of a stop, or of an expired token, on a stream that waits for its client. It must never
know a method.

Tested in tests/rpc/server/test_server.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from google.protobuf.message import Message

from limedb.aio.whole_reads import whole
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.gate import Shown
from limedb.rpc.server.running_streams import Streams

LAST_WRITE_SECONDS = 1.0
"""How long an ending stream waits for its client to take the message on its way."""


class Incoming:
    """The messages that a stream's client sends."""

    def __init__(
        self,
        message_of: Callable[[bytes], Awaitable[Message]],
        context: Context,
        streams: Streams,
        shown_by: Callable[[Context], Shown | None],
    ) -> None:
        self._message_of, self._context, self._streams = message_of, context, streams
        self._shown_by = shown_by
        self._shown: Shown | None = None
        self._is_begun = False

    def __aiter__(self) -> "Incoming":
        return self

    async def __anext__(self) -> Message:
        if not self._is_begun:  # only now is the caller identified
            self._shown, self._is_begun = self._shown_by(self._context), True
        async with self._streams.bound(self._shown):
            data = await whole(self._context.read())
        if not isinstance(data, bytes):  # the end: the client half-closed
            raise StopAsyncIteration
        return await self._message_of(data)


async def write_whole(context: Context, data: bytes) -> None:
    """Write a message of a stream that the server's stop may interrupt: gRPC accepts no status while a write
    is on its way.
    """
    writing = asyncio.ensure_future(context.write(data))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        with suppress(Exception):  # the reason for the end matters, not the write's error
            await asyncio.wait_for(writing, LAST_WRITE_SECONDS)
        raise
