"""Errors to gRPC statuses and back.

It owns the one table of codes; grpc's own exceptions stop here. It must never read an error's text.
Source of the codes' meaning: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
"""

import logging
import uuid

import grpc
from google.rpc import status_pb2
from google.rpc.code_pb2 import Code

from limedb import errors

log = logging.getLogger(__name__)

CODES: dict[type[BaseException], grpc.StatusCode] = {
    errors.InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ConfigError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.KeyNotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AssetNotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.TopologyChangeError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RequestTimeoutError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.WatchGapError: grpc.StatusCode.OUT_OF_RANGE,
    errors.TooManyWatchesError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ResponseTooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreCorruptError: grpc.StatusCode.DATA_LOSS,
    errors.StoreError: grpc.StatusCode.UNAVAILABLE,
}


KIND = "limedb-error"
"""The trailer that tells an answered error from a broken connection, and which class it is."""

FACTS = "limedb-facts"
"""The trailer with the attributes that a peer has to tell on: ahead and limit of a ClockSkewError, the oldest
version of a WatchGapError.
"""

_TYPED: dict[str, type[errors.LimeDBError]] = {
    cls.__name__: cls for cls in (errors.NotMemberError, errors.TopologyChangeError, errors.UnavailableError)
}


_LED_ASTRAY = "another node answers at its address"

Answer = grpc.aio.AioRpcError | grpc.Call
"""A call that failed, asynchronous or not."""


def code_of(error: BaseException) -> grpc.StatusCode:
    """The code of an error: that of its most specific class in the table; INTERNAL for a bug."""
    if isinstance(error, errors.RemoteError):
        return grpc.StatusCode[error.code]
    return next((CODES[cls] for cls in type(error).__mro__ if cls in CODES), grpc.StatusCode.INTERNAL)


def status_of(error: BaseException, method: str) -> tuple[grpc.StatusCode, str]:
    """Code and text for the wire. A bug gets an id, and its traceback goes to the log under that id."""
    if isinstance(error, errors.LimeDBError):
        return code_of(error), str(error)
    bug = uuid.uuid4().hex[:12]
    log.error("bug %s in %s", bug, method, exc_info=error)
    return grpc.StatusCode.INTERNAL, f"internal error {bug}; the log of the node has the details"


def message_of(error: errors.LimeDBError) -> status_pb2.Status:
    """The error of one item of a batch, as google.rpc.Status."""
    return status_pb2.Status(code=number_of(code_of(error)), message=str(error))


def number_of(code: grpc.StatusCode) -> int:
    """The number of a code, 0 to 16."""
    return Code.Value(code.name)


def kind_of(error: BaseException) -> str:
    """What the trailer KIND holds: the class of the error, so that nobody parses its text."""
    if isinstance(error, errors.RemoteError):
        return error.kind
    return type(error).__name__ if isinstance(error, errors.LimeDBError) else "InternalError"


def trailers_of(error: BaseException) -> tuple[tuple[str, str], ...]:
    """What goes with a status: the error's class, and the facts that peers need."""
    kind = (KIND, kind_of(error))
    return (kind, (FACTS, facts)) if (facts := facts_of(error)) else (kind,)


def facts_of(error: BaseException) -> str:
    """What the trailer FACTS holds; empty where there is none."""
    if isinstance(error, errors.WatchGapError):
        return f"{error.oldest}"
    return f"{error.ahead} {error.limit}" if isinstance(error, errors.ClockSkewError) else ""


def peer_error(node_url: str, answer: Answer) -> errors.LimeDBError | None:
    """The error that a peer answered, as itself where callers act on its class, else as RemoteError; None
    when there was no answer, but a broken connection.
    """
    remote = remote_error(node_url, answer)
    if remote is None:
        return None
    facts = next((str(value) for key, value in answer.trailing_metadata() or () if key == FACTS), "")
    return typed_error(remote, facts)


def typed_error(remote: errors.RemoteError, facts: str) -> errors.LimeDBError:
    """A peer's error as itself where callers act on its class. facts: as in the trailer."""
    if remote.kind == errors.ClockSkewError.__name__:
        ahead, limit = (int(fact) for fact in (facts or "0 0").split())
        return errors.ClockSkewError(f"node {remote.node_url} says that what it was sent", ahead, limit)
    if remote.kind == errors.WatchGapError.__name__:
        return errors.WatchGapError(int(facts or 0))
    if remote.kind == errors.WrongNodeError.__name__:  # the peer itself heard nothing of it
        return errors.ReplicaUnreachableError(remote.node_url, _LED_ASTRAY)
    return _TYPED[remote.kind](str(remote)) if remote.kind in _TYPED else remote


def name_of(number: int) -> str:
    """The name of a code, by its number."""
    return Code.Name(number) if number in Code.values() else Code.Name(Code.UNKNOWN)


def remote_error(node_url: str, answer: Answer) -> errors.RemoteError | None:
    """The error that a LimeDB server answered; None when there was no answer, but a broken connection."""
    kind = next((value for key, value in answer.trailing_metadata() or () if key == KIND), None)
    if kind is None:
        return None
    return errors.RemoteError(node_url, str(kind), answer.code().name, answer.details() or "")
