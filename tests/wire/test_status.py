"""Every error has a status, and a bug tells nothing but its id."""

import logging

import grpc
import pytest

from limedb import errors
from limedb.core.topology import Topology
from limedb.wire.status import code_of, kind_of, message_of, status_of


def classes(root: type[errors.LimeDBError]) -> list[type[errors.LimeDBError]]:
    return [root, *(found for child in root.__subclasses__() for found in classes(child))]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidKeyError(0, 4096), grpc.StatusCode.INVALID_ARGUMENT),
        (errors.ValueTooLargeError("k", 2, 1), grpc.StatusCode.INVALID_ARGUMENT),
        (errors.MalformedRequestError("x"), grpc.StatusCode.INVALID_ARGUMENT),
        (errors.KeyNotFoundError("k"), grpc.StatusCode.NOT_FOUND),
        (errors.ReplicaUnreachableError("http://a:1", "x"), grpc.StatusCode.UNAVAILABLE),
        (errors.OutcomeUnknownError("k", 2, 1, {"http://a:1": "x"}), grpc.StatusCode.UNAVAILABLE),
        (errors.LevelUnreachableError("k", "quorum", 2, 1, 3, {}), grpc.StatusCode.UNAVAILABLE),
        (errors.NotMemberError("x"), grpc.StatusCode.UNAVAILABLE),
        (errors.StaleEpochError(Topology()), grpc.StatusCode.UNAVAILABLE),
        (errors.ClockSkewError("x", 2, 1), grpc.StatusCode.UNAVAILABLE),
        (errors.TopologyChangeError("x"), grpc.StatusCode.FAILED_PRECONDITION),
        (errors.ContendedError("k", 8), grpc.StatusCode.UNAVAILABLE),
        (errors.RequestTimeoutError(1.0, "node"), grpc.StatusCode.DEADLINE_EXCEEDED),
        (errors.ResponseTooLargeError(2, 1, "less"), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (errors.StoreFullError("full"), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (errors.StoreCorruptError("bad"), grpc.StatusCode.DATA_LOSS),
        (errors.StoreClosedError(), grpc.StatusCode.UNAVAILABLE),
        (errors.RemoteError("http://a:1", "X", "DATA_LOSS", "bad"), grpc.StatusCode.DATA_LOSS),
        (ZeroDivisionError(), grpc.StatusCode.INTERNAL),
    ],
)  # fmt: skip
def test_the_most_specific_class_decides(error: Exception, code: grpc.StatusCode) -> None:
    assert code_of(error) is code


def test_no_error_that_a_request_can_meet_is_internal() -> None:
    local = {
        errors.LaunchError, errors.NotReadyError, errors.BulkError, errors.BadItemError, errors.NameTakenError
    }  # no request meets them  # fmt: skip
    ends = {errors.LimeDBError, errors.RemoteError, errors.PartialFailureError} | local
    unmapped = [
        c
        for c in classes(errors.LimeDBError)
        if c not in ends and code_of(c.__new__(c)) is grpc.StatusCode.INTERNAL
    ]
    assert unmapped == []


def test_a_bug_tells_its_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        code, text = status_of(ValueError("secret"), "KVService/Get")
    bug = text.split()[2].rstrip(";")
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in text
    assert bug in caplog.text
    assert "secret" in caplog.text
    assert kind_of(ValueError()) == "InternalError"


def test_an_item_of_a_batch_carries_the_number_of_the_code() -> None:
    message = message_of(errors.ReplicaUnreachableError("http://a:1", "refused"))
    assert message.code == 14
    assert "http://a:1" in message.message
