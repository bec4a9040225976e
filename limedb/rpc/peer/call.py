"""One call to a peer: sent over its link, watched, with its failure as one of our errors.

It owns the meaning of a failed call to a peer. It must never retry: the callers know what is safe.

Tested in tests/rpc/peer/test_remote_replica.py.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from limedb.aio.whole_reads import whole
from limedb.errors import LimeDBError, ReplicaUnreachableError, RequestTimeoutError
from limedb.rpc.peer.links import PeerLink
from limedb.wire.status import peer_error

T = TypeVar("T")

Send = Callable[[], "grpc.aio.UnaryUnaryCall[Any, T]"]


async def ask(link: PeerLink, send: "Send[T]", timeout: float, is_quick: bool = False) -> T:
    """Send a call over a connected link and wait for its answer. is_quick: see Watchdog.end.

    ReplicaUnreachableError: the peer didn't answer; RequestTimeoutError: not within `timeout` seconds;
    otherwise the peer's own error (see status.peer_error).
    """
    call = send()
    link.begin(call)
    answered = False
    try:
        answer = await whole(call)
        answered = True
    except grpc.aio.AioRpcError as error:
        own = peer_error(link.node_url, error)
        answered = own is not None
        if isinstance(own, ReplicaUnreachableError):  # another node answered
            link.doubt(own.why)
        raise own or _unanswered(link, error, timeout) from None
    except asyncio.CancelledError:
        if _is_cancelled_itself():
            raise
        raise ReplicaUnreachableError(link.node_url, link.trouble or "the link was closed") from None
    finally:
        link.end(call, answered, is_quick)
    return answer


def _unanswered(link: PeerLink, error: grpc.aio.AioRpcError, timeout: float) -> LimeDBError:
    """The error of a call that ended without an answer of the peer itself."""
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return RequestTimeoutError(timeout, f"node {link.node_url}")
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        link.doubt("the connection was lost")
    return ReplicaUnreachableError(link.node_url, f"{error.code().name}, {error.details()}")


def _is_cancelled_itself() -> bool:
    """Whether the task is being cancelled, and not only the call, whose cancellation must not end a handler
    silently.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
