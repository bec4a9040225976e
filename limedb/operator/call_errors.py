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
    return UnavailableError(f"nothing answers at {address} ({code.name}){remedy}")
