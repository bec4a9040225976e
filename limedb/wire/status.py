"""Errors to google.rpc.Status and back: the one way in which an error crosses the wire.

It owns the one table of codes, and the details: an ErrorInfo with the error's reason, the domain "limedb" and
the facts of its class as texts, so that a client in any language can act on them; and a RetryInfo where it
is known when the call may be tried again. They travel in the trailer
`grpc-status-details-bin`, or, for an item of a batch, in a message's own Status. grpc's own exceptions stop
here. It must never read an error's text. Sources:
https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, https://google.aip.dev/193
"""

import json
import logging
import math
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import get_origin, get_type_hints

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from limedb import errors
from limedb.wire import conditions, old_errors
from limedbpb.v1 import kv_pb2, replica_pb2

log = logging.getLogger(__name__)

CODES: dict[type[BaseException], grpc.StatusCode] = {
    errors.InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ConfigError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    errors.KeyNotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.LeaseNotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.LeaseFullError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ConditionFailedError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.EditRefusedError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AssetNotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.UnknownPathError: grpc.StatusCode.NOT_FOUND,
    errors.UnknownNodeError: grpc.StatusCode.NOT_FOUND,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.TopologyChangeError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RequestTimeoutError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.PeersOnlyError: grpc.StatusCode.PERMISSION_DENIED,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.UnknownHostError: grpc.StatusCode.PERMISSION_DENIED,
    errors.ForeignOriginError: grpc.StatusCode.PERMISSION_DENIED,
    errors.WatchGapError: grpc.StatusCode.OUT_OF_RANGE,
    errors.TooManyWatchesError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.RequestTooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ResponseTooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.LimitExceededError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreCorruptError: grpc.StatusCode.DATA_LOSS,
    errors.StoreError: grpc.StatusCode.UNAVAILABLE,
}

DOMAIN = "limedb"
"""The domain of the reasons."""

DETAILS = "grpc-status-details-bin"
"""The trailer with the whole Status: its presence, with this domain, distinguishes an answered error from a
broken connection.
"""

RETRY_AFTER = "retry-after"
"""The trailer, and HTTP's header, with the seconds after which a refused call may be tried again."""

BUG = "INTERNAL"
"""The reason of an error without a class: a bug."""

TEXT_BYTES = 2048
"""The most bytes of an error's text: gRPC refuses trailers over 8 KiB in all, and they contain the text
twice.
"""

FACT_BYTES_IN_TRAILERS = 1024
FACT_BYTES_IN_MESSAGES = 8192
"""Bytes that facts may have; facts that don't fit are left out. The longest key fits into a message."""

Answer = grpc.aio.AioRpcError | grpc.Call
"""A call that failed, asynchronous or not."""

_AS_THEMSELVES = (
    errors.ClockSkewError,
    errors.NotMemberError,
    errors.TopologyChangeError,
    errors.UnavailableError,
    errors.WatchGapError,
)
"""The errors of a peer that the calling node raises as its own."""

_REASON = re.compile("[A-Z][A-Z0-9_]{0,62}")
_LED_ASTRAY = "another node answers at its address"


# --- out


def code_of(error: BaseException) -> grpc.StatusCode:
    """The code of an error: that of its most specific class in the table; INTERNAL for a bug."""
    if isinstance(error, errors.RemoteError):
        return grpc.StatusCode[error.code]
    return next((CODES[cls] for cls in type(error).__mro__ if cls in CODES), grpc.StatusCode.INTERNAL)


def status_of(
    error: BaseException, method: str = "", room: int = FACT_BYTES_IN_MESSAGES
) -> status_pb2.Status:
    """An error for the wire. A bug gets an id, and its traceback goes to the log under that id. method: the
    one that failed, for the log. room: bytes for the facts.
    """
    if isinstance(error, errors.LimeDBError):
        info = ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=dict(_facts_of(error, room)))
        text = error.public_text
    else:
        bug = uuid.uuid4().hex[:12]
        log.error("bug %s in %s", bug, method, exc_info=error)
        info = ErrorInfo(reason=BUG, domain=DOMAIN)
        text = f"internal error {bug}; the log of the node has the details"
    status = status_pb2.Status(code=number_of(code_of(error)), message=_cut(text))
    status.details.add().Pack(info)
    if (seconds := retry_seconds_of(error)) > 0:
        delay = RetryInfo()
        delay.retry_delay.FromMilliseconds(math.ceil(1000 * seconds))
        status.details.add().Pack(delay)
    conditions.add_current(status, error, room)
    return status


def retry_seconds_of(error: BaseException) -> float:
    """The time after which the node that refused a call may admit it; 0: unknown."""
    return error.retry_seconds if isinstance(error, errors.LimeDBError) else 0.0


def trailers_of(error: BaseException, status: status_pb2.Status) -> tuple[tuple[str, str | bytes], ...]:
    """The trailers of a failed call. status: of the error, with room for FACT_BYTES_IN_TRAILERS. Envoy makes
    RETRY_AFTER a header of its answer 429.
    """
    seconds = retry_seconds_of(error)
    after = ((RETRY_AFTER, str(math.ceil(seconds))),) if seconds > 0 else ()
    return ((DETAILS, status.SerializeToString()), *old_errors.trailers_of(error), *after)


def bare_name(type_url: str) -> str:
    """The name of a detail's type without the URL before it, as the Connect protocol has it."""
    return type_url.rpartition("/")[2]


def number_of(code: grpc.StatusCode) -> int:
    """The number of a code, 0 to 16."""
    number: int = code.value[0]
    return number


def _facts_of(error: errors.LimeDBError, room: int) -> Iterator[tuple[str, str]]:
    """The facts of an error as texts, as far as there is room; collections are JSON."""
    facts: Mapping[str, object] = error.facts if isinstance(error, errors.RemoteError) else vars(error)
    for name, fact in facts.items():
        if isinstance(fact, str | int | float):
            text = str(fact)
        elif isinstance(fact, tuple | dict) and all(isinstance(each, str) for each in fact):
            text = json.dumps(fact, default=str, ensure_ascii=False)
        else:
            continue
        if (size := len(name) + len(text.encode(errors="replace"))) <= room:
            room -= size
            yield name, text


def _cut(text: str) -> str:
    data = text.encode(errors="replace")
    return text if len(data) <= TEXT_BYTES else f"{data[: TEXT_BYTES - 4].decode(errors='ignore')} ..."


# --- in


def remote_error(node_url: str, answer: Answer) -> errors.RemoteError | None:
    """The error that a LimeDB server answered; None: there was no answer, but a broken connection."""
    trailers = [(str(name), value) for name, value in answer.trailing_metadata() or ()]
    for name, value in trailers:
        if name == DETAILS and isinstance(value, bytes):
            try:
                error = error_from(node_url, status_pb2.Status.FromString(value))
            except DecodeError:  # not a LimeDB server's
                continue
            if error is not None:
                return error
    return old_errors.from_trailers(node_url, answer.code().name, answer.details() or "", trailers)


def error_from(node_url: str, status: status_pb2.Status) -> errors.RemoteError | None:
    """The error in a Status; None if it has no details of this domain."""
    info = ErrorInfo()
    for detail in status.details:
        with suppress(DecodeError):
            if detail.Unpack(info) and info.domain == DOMAIN:
                reason = info.reason if _REASON.fullmatch(info.reason) else errors.LimeDBError.reason
                facts = dict(info.metadata)
                error = errors.RemoteError(node_url, reason, name_of(status.code), status.message, facts)
                error.retry_seconds = _retry_seconds(status)
                return error
    return None


def _retry_seconds(status: status_pb2.Status) -> float:
    """The delay that an error in a Status asks for; 0: none."""
    delay = RetryInfo()
    for detail in status.details:
        with suppress(DecodeError):
            if detail.Unpack(delay):
                return max(0.0, delay.retry_delay.ToMicroseconds() / 1e6)
    return 0.0


def item_error(node_url: str, status: status_pb2.Status, failure: kv_pb2.Failure) -> errors.LimeDBError:
    """The error of one item of a batch, in its own class. failure: the same error in the form of
    version 0.1.
    """
    old = old_errors.from_failure(node_url, name_of(status.code), status, failure)
    error = as_itself(error_from(node_url, status) or old, status.message)
    conditions.take_current(error, status)
    return error


def refusal_error(node_url: str, refusal: replica_pb2.Refusal) -> errors.LimeDBError:
    """The error in a peer's answer, in the same form as that of `peer_error`."""
    status = status_pb2.Status(code=refusal.code, message=refusal.message, details=refusal.details)
    old = old_errors.from_refusal(node_url, name_of(refusal.code), refusal)
    return _for_peers(error_from(node_url, status) or old)


def peer_error(node_url: str, answer: Answer) -> errors.LimeDBError | None:
    """The error that a peer answered, in its own class if callers act on that, else as RemoteError; None:
    there was no answer, but a broken connection.
    """
    remote = remote_error(node_url, answer)
    return None if remote is None else _for_peers(remote)


def as_itself(remote: errors.RemoteError, text: str) -> errors.LimeDBError:
    """An error in its original class, with a text; RemoteError if this version doesn't know the class. A
    missing fact is None.
    """
    known = errors.CLASSES.get(remote.reason)
    if known is None:
        return remote
    error = known.__new__(known, text)
    if known.__init__ is not Exception.__init__:
        hints = get_type_hints(known.__init__)
        hints.pop("return", None)
        error.__dict__.update({name: _read(kind, remote.facts.get(name)) for name, kind in hints.items()})
    if seconds := remote.retry_seconds or known.retry_seconds:
        error.retry_seconds = seconds
    return error


def name_of(number: int) -> str:
    """The name of a code of an error, by its number."""
    return _NAMES.get(number, grpc.StatusCode.UNKNOWN.name)


def _for_peers(remote: errors.RemoteError) -> errors.LimeDBError:
    known = errors.CLASSES.get(remote.reason)
    if known is errors.WrongNodeError:  # the call never reached the peer itself
        return errors.ReplicaUnreachableError(remote.node_url, _LED_ASTRAY)
    return as_itself(remote, str(remote)) if known in _AS_THEMSELVES else remote


def _read(kind: object, text: str | None) -> object:
    """A fact by its type; None: the text isn't of that type."""
    if text is None or kind is str:
        return text
    try:
        if kind is int or kind is float:
            return int(text) if kind is int else float(text)
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if get_origin(kind) is dict and isinstance(found, dict):
        return {name: str(fact) for name, fact in found.items()}
    return tuple(map(str, found)) if get_origin(kind) is tuple and isinstance(found, list) else None


_NAMES = {number_of(code): code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK}
