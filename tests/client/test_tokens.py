"""Tokens of the client: which are taken, and when a node is understood to refuse one.

Tests limedb/client/denials.py; with real nodes, tests/scenarios/test_access.py does.
"""

from typing import Any, cast

import grpc
import pytest

from limedb.client import connect
from limedb.client.denials import denial_of, is_denial
from limedb.errors import InvalidRequestError, PermissionDeniedError, UnauthenticatedError
from limedb.wire.status import DETAILS, status_of
from limedbpb.v1 import kv_pb2


def failed(error: Exception) -> grpc.aio.AioRpcError:
    status = status_of(error)
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    trailers = grpc.aio.Metadata((DETAILS, status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, status.message)


@pytest.mark.parametrize("token", ["two words", "ü", "a\n", 5, b"bytes"])
def test_what_is_no_token_is_refused_and_not_repeated(token: Any) -> None:
    with pytest.raises(InvalidRequestError, match="token: must be") as refused:
        connect("a:1", token=token)
    assert str(token) not in str(refused.value)


def test_a_denial_is_understood_with_its_reason() -> None:
    denied = denial_of("a:1", failed(UnauthenticatedError("expired")))
    assert denied is not None
    assert denied.why == "expired"
    assert denial_of("a:1", failed(PermissionDeniedError("a", "read"))) is None
    foreign = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAUTHENTICATED, grpc.aio.Metadata(), grpc.aio.Metadata(), "of a proxy"
    )
    assert cast("UnauthenticatedError", denial_of("a:1", foreign)).why == "unknown"


def test_a_request_of_a_session_may_be_denied() -> None:
    assert is_denial(kv_pb2.SessionResponse(error=status_of(UnauthenticatedError("unknown"))))
    assert not is_denial(kv_pb2.SessionResponse(error=status_of(PermissionDeniedError("a", "read"))))
    assert not is_denial(kv_pb2.SessionResponse(get=kv_pb2.GetResponse()))
