"""Streams of nodes that the client follows: where one breaks, the client begins it again at another node.

It owns at which node a stream begins, and when its end is an error. It must never know what is streamed: the
caller's `begin` says where the stream continues.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar, cast

import grpc

from limedb.aio.retrying import Retries, asked_pause
from limedb.aio.whole_reads import whole
from limedb.client.node_connection import NodeConnection
from limedb.client.routing import Routing
from limedb.errors import LimeDBError, RemoteError, UnavailableError, UnsupportedError, WrongClusterError
from limedb.wire.cluster_header import Metadata
from limedb.wire.status import as_itself, peer_error
from limedbpb.v1 import kv_pb2_grpc

M = TypeVar("M")
Begin = Callable[["kv_pb2_grpc.KVServiceAsyncStub", Metadata], "grpc.aio.UnaryStreamCall[Any, M]"]


async def resume(
    routing: Routing, begin: "Begin[M]", silence: float, timeout: float
) -> AsyncGenerator[M, None]:
    """Yield the messages of a stream to its end.

    begin: begins the stream, with this metadata, after the last message that was yielded. silence: seconds
    without a message after which this gives up the node. timeout: seconds without a message from any node,
    after which it raises the last error, preferably a node's own. An error that can't pass (`may_pass`) is
    raised at once.
    """
    loop = asyncio.get_running_loop()
    avoid: tuple[NodeConnection, ...] = ()
    refusal: LimeDBError | None = None
    deadline, retries = loop.time() + timeout, Retries(routing.budget)
    while True:
        node = await _way(routing, avoid, deadline)
        call = begin(kv_pb2_grpc.KVServiceStub(node.channel), routing.metadata)
        node.followed.add(call)
        try:
            while not isinstance(message := await _read(node, call, silence), LimeDBError):
                if message is None:
                    return
                yield message
                deadline, retries, refusal = loop.time() + timeout, Retries(routing.budget), None
        finally:
            node.followed.discard(call)
            call.cancel()
        if not message.may_pass:
            raise message
        refusal = refusal if type(message) is UnavailableError else message
        pause = max(retries.pause(), asked_pause(message.retry_seconds))
        if loop.time() + pause >= deadline:
            raise refusal or message
        await asyncio.sleep(pause)
        avoid = (node,)


async def _way(routing: Routing, avoid: tuple[NodeConnection, ...], deadline: float) -> NodeConnection:
    """Return a node to ask; one of those to avoid only where there is no other."""
    while (node := routing.any(avoid) or routing.any()) is None:
        if not await routing.wait_way(deadline):
            raise routing.no_way()
    return node


async def _read(
    node: NodeConnection, call: "grpc.aio.UnaryStreamCall[Any, M]", silence: float
) -> M | LimeDBError | None:
    """Return the next message; None at the end of the stream; or the error because of which there is none."""
    try:
        async with asyncio.timeout(silence):
            message = await whole(call.read())
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return UnsupportedError("streams", f"the version of node {node.address} doesn't have them")
        refusal = peer_error(node.address, error)
        if isinstance(refusal, RemoteError):
            refusal = as_itself(refusal, refusal.text)
        if isinstance(refusal, WrongClusterError):  # other addresses may lead to the right one
            return _lost(node, str(refusal))
        return refusal or _lost(node, f"{error.code().name}: {error.details()}")
    except TimeoutError:
        return _lost(node, f"it sent nothing for {silence:.3g} s")
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return _lost(node, "the connection was closed")
    return None if message is grpc.aio.EOF else cast("M", message)


def _lost(node: NodeConnection, reason: str) -> UnavailableError:
    """Regard a node as down that sent no answer of its own; return the error to raise."""
    node.suspect(reason)
    return UnavailableError(f"node {node.address}: {reason}")
