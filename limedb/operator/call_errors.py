"""The errors of calls from outside a node, blocking or not.

It owns which error a failed call becomes. It must never decide whether to try again.

Tested in tests/operator/test_silence.py.
"""

import grpc

from limedb.errors import LimeDBError, RequestTimeoutError, UnavailableError, UnsupportedError
from limedb.wire import status


def error_of(address: str, call: status.Answer, timeout: float, remedy: str = "") -> LimeDBError:
    """Return the error of a failed call to an address (host:port) that had `timeout` seconds: RemoteError
    where the node answered with one. remedy: ends the text where nothing answers.
    """
    if (answered := status.remote_error(address, call)) is not None:
        return answered
    code = call.code()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return UnsupportedError("call", f"{address} doesn't take this call: ask a node of this version")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return RequestTimeoutError(timeout, address)
    if is_answered(call):
        lost = UnavailableError(f"{address} answers, but no node behind it does: {reason_of(call)}")
        lost.nothing_written = False  # a node may have taken the request before its answer was lost
        return lost
    return UnavailableError(f"nothing answers at {address} ({code.name}){remedy}")


def is_answered(call: status.Answer) -> bool:
    """Return whether a failed call has an answer, as of Envoy in front of nodes: a connection that can't be
    made or breaks has no trailers.
    """
    return bool(call.trailing_metadata())


def reason_of(call: status.Answer) -> str:
    """Return why a call failed, in a few words."""
    code = call.code()
    if code is grpc.StatusCode.UNAVAILABLE and not is_answered(call):
        return "nothing answers"
    return f"{code.name}: {call.details()}"
