"""Streams of nodes that the client follows: begun anew, elsewhere, where one breaks.

It owns where a stream is asked for, and when its end is an error. It must never know what is streamed: who
begins a stream says where it goes on.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar, cast

import grpc

from limedb.aio.retrying import Retries
from limedb.aio.whole_reads import whole
from limedb.client.node_connection import NodeConnection
from limedb.client.routing import Routing
from limedb.errors import (
    LimeDBError,
    RemoteError,
    TooManyWatchesError,
    UnavailableError,
    UnsupportedError,
)
from limedb.wire.status import as_itself, peer_error
from limedbpb.v1 import kv_pb2_grpc

M = TypeVar("M")
Begin = Callable[["kv_pb2_grpc.KVServiceAsyncStub"], "grpc.aio.UnaryStreamCall[Any, M]"]


async def resume(
    routing: Routing, begin: "Begin[M]", silence: float, timeout: float
) -> AsyncGenerator[M, None]:
    """The messages of a stream to its end.

    begin: begins it, behind the last message that was taken. silence: seconds without a message after which
    the node is given up. timeout: seconds without any, at any node, after which the last error is raised: one
    that a node told, where one did.
    """
    loop = asyncio.get_running_loop()
    avoid: tuple[NodeConnection, ...] = ()
    told: LimeDBError | None = None
    deadline, retries = loop.time() + timeout, Retries(routing.budget)
    while True:
        node = await _way(routing, avoid, deadline)
        call = begin(kv_pb2_grpc.KVServiceStub(node.channel))
        try:
            while not isinstance(message := await _read(node, call, silence), LimeDBError):
                if message is None:
                    return
                yield message
                deadline, retries, told = loop.time() + timeout, Retries(routing.budget), None
        finally:
            call.cancel()
        if not isinstance(message, UnavailableError | TooManyWatchesError):
            raise message
        told = told if type(message) is UnavailableError else message
        pause = retries.pause()
        if loop.time() + pause >= deadline:
            raise told or message
        await asyncio.sleep(pause)
        avoid = (node,)


async def _way(routing: Routing, avoid: tuple[NodeConnection, ...], deadline: float) -> NodeConnection:
    """A node to ask; one to be avoided only where there is no other."""
    while (node := routing.any(avoid) or routing.any()) is None:
        if not await routing.wait_way(deadline):
            raise UnavailableError(f"nothing answers: {routing.trouble()}")
    return node


async def _read(
    node: NodeConnection, call: "grpc.aio.UnaryStreamCall[Any, M]", silence: float
) -> M | LimeDBError | None:
    """The next message; None: the stream has ended; or why there is none."""
    try:
        async with asyncio.timeout(silence):
            message = await whole(call.read())
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return UnsupportedError("streams", f"node {node.address} is of a version that can't do that")
        told = peer_error(node.address, error)
        if isinstance(told, RemoteError):
            return as_itself(told, told.text)
        return told or _lost(node, f"{error.code().name}: {error.details()}")
    except TimeoutError:
        return _lost(node, f"nothing came for {silence:.3g} s")
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return _lost(node, "the connection was closed")
    return None if message is grpc.aio.EOF else cast("M", message)


def _lost(node: NodeConnection, reason: str) -> UnavailableError:
    """Take a node for down that gave no answer of its own."""
    node.suspect(reason)
    return UnavailableError(f"node {node.address}: {reason}")
