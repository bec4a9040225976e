"""Whether a node doesn't know a client, by its answer.

It owns that question. It must never retry: a newer token is asked for with the next call.

Tested in tests/client/test_tokens.py.
"""

import grpc

from limedb.errors import TokenFunctionError, UnauthenticatedError
from limedb.wire.status import as_itself, number_of, remote_error
from limedbpb.v1 import kv_pb2

CODE = number_of(grpc.StatusCode.UNAUTHENTICATED)


def denial_of(address: str, call: grpc.aio.AioRpcError) -> UnauthenticatedError | None:
    """Why the node at an address refused a call for want of an identity; None: it didn't."""
    if call.code() is not grpc.StatusCode.UNAUTHENTICATED:
        return None
    remote = remote_error(address, call)
    error = as_itself(remote, remote.text) if remote is not None else None
    return error if isinstance(error, UnauthenticatedError) else UnauthenticatedError("unknown")


def another(denied: UnauthenticatedError) -> UnauthenticatedError:
    """The same error for another call: each raises one of its own."""
    if isinstance(denied, TokenFunctionError):
        error: UnauthenticatedError = TokenFunctionError(denied.error)
        error.__cause__ = denied.error
        return error
    return UnauthenticatedError(denied.why)


def is_denial(response: kv_pb2.SessionResponse) -> bool:
    """Whether a node answers a request of a session so: its token has ended since the session began."""
    return response.error.code == CODE
