"""Every error has a status, and a bug reveals nothing but its id."""

import logging
from collections.abc import Iterable
from typing import cast

import grpc
import pytest
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import RetryInfo

from limedb import errors
from limedb.core.topology import Topology
from limedb.wire.old_errors import failure_of, kind_of
from limedb.wire.status import (
    FACT_BYTES_IN_TRAILERS,
    TEXT_BYTES,
    as_itself,
    code_of,
    error_from,
    item_error,
    peer_error,
    refusal_error,
    remote_error,
    status_of,
    trailers_of,
)
from limedbpb.v1 import kv_pb2, replica_pb2


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
        (errors.NotMemberError("x", ""), grpc.StatusCode.UNAVAILABLE),
        (errors.StaleEpochError(Topology()), grpc.StatusCode.UNAVAILABLE),
        (errors.ClockSkewError("x", 2, 1), grpc.StatusCode.UNAVAILABLE),
        (errors.TopologyChangeError("x"), grpc.StatusCode.FAILED_PRECONDITION),
        (errors.ConditionFailedError("k", 7, 1, "version 5"), grpc.StatusCode.FAILED_PRECONDITION),
        (errors.EditRefusedError("k", "overflow"), grpc.StatusCode.FAILED_PRECONDITION),
        (errors.PeersOnlyError("http://a:1", "x"), grpc.StatusCode.PERMISSION_DENIED),
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
        errors.LaunchError, errors.NotReadyError, errors.BulkError, errors.BadItemError,
        errors.NameTakenError, errors.ExposedError, errors.LockTakenError, errors.LockLostError,
        errors.LeaseLostError,
    }  # no request meets them  # fmt: skip
    ends = {errors.LimeDBError, errors.RemoteError, errors.PartialFailureError} | local
    unmapped = [
        c
        for c in classes(errors.LimeDBError)
        if c not in ends and code_of(c.__new__(c)) is grpc.StatusCode.INTERNAL
    ]
    assert unmapped == []


def test_a_bug_reports_its_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        status = status_of(ValueError("secret"), "KVService/Get")
    bug = status.message.split()[2].rstrip(";")
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert b"secret" not in status.SerializeToString()
    assert bug in caplog.text
    assert "secret" in caplog.text
    assert kind_of(ValueError()) == "InternalError"


def test_an_item_of_a_batch_carries_the_number_of_the_code() -> None:
    message = status_of(errors.ReplicaUnreachableError("http://a:1", "refused"))
    assert message.code == 14
    assert "http://a:1" in message.message


def test_a_version_is_not_rounded_in_the_form_of_0_1() -> None:
    failure = failure_of(errors.ConditionFailedError("k", (1 << 63) + 1, 1, "no value"))
    assert dict(failure.facts.items())["version"] == str((1 << 63) + 1)
    assert dict(failure.facts.items())["exists"] == 1


URL = "http://a:1"
REASONS = {
    "TOKEN_FUNCTION",
    "RESERVED_KEY",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "FAILED",
    "CONFIG",
    "NAME_TAKEN",
    "LAUNCH",
    "NOT_READY",
    "BULK",
    "BAD_ITEM",
    "INVALID_REQUEST",
    "INVALID_KEY",
    "VALUE_TOO_LARGE",
    "MALFORMED_REQUEST",
    "KEY_NOT_FOUND",
    "CONDITION_FAILED",
    "EDIT_REFUSED",
    "LEASE_NOT_FOUND",
    "LEASE_FULL",
    "ASSET_NOT_FOUND",
    "UNKNOWN_PATH",
    "UNKNOWN_NODE",
    "REQUEST_TOO_LARGE",
    "UNAVAILABLE",
    "REPLICA_UNREACHABLE",
    "LEVEL_UNREACHABLE",
    "LIMIT_EXCEEDED",
    "RANGE_UNREACHABLE",
    "OUTCOME_UNKNOWN",
    "ANSWER_FORGOTTEN",
    "CONTENDED",
    "EXPOSED",
    "WRONG_NODE",
    "NOT_MEMBER",
    "WRONG_CLUSTER",
    "CLIENT_STATE",
    "STALE_EPOCH",
    "CLOCK_SKEW",
    "TOPOLOGY_CHANGE",
    "REQUEST_TIMEOUT",
    "WATCH_GAP",
    "TOO_MANY_WATCHES",
    "RESPONSE_TOO_LARGE",
    "OVERLOADED",
    "PARTIAL_FAILURE",
    "PEERS_ONLY",
    "UNSUPPORTED",
    "UNKNOWN_HOST",
    "FOREIGN_ORIGIN",
    "STORE",
    "STORE_FULL",
    "STORE_CLOSED",
    "STORE_CORRUPT",
    "STORE_DAMAGED",
    "RECORD_DAMAGED",
}


class Told:
    """A call that failed, with these trailers."""

    def __init__(self, code: grpc.StatusCode, text: str, trailers: Iterable[tuple[str, str | bytes]]) -> None:
        self._code, self._text, self._trailers = code, text, tuple(trailers)

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._text

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self._trailers


def told(error: Exception, which: slice = slice(None)) -> grpc.Call:
    status = status_of(error, "m", FACT_BYTES_IN_TRAILERS)
    return cast("grpc.Call", Told(code_of(error), status.message, trailers_of(error, status)[which]))


NEW, OLD = slice(0, 1), slice(1, None)


def test_reasons_are_stable() -> None:
    """Clients in other languages have them in their code: a reason may be added, and none changed."""
    assert set(errors.CLASSES) == REASONS


def test_a_peers_error_answers_as_its_class() -> None:
    for reason, cls in errors.CLASSES.items():
        remote = errors.RemoteError(URL, reason, "INTERNAL", "x")
        answers = (remote.nothing_written, remote.may_pass, remote.too_large)
        assert answers == (cls.nothing_written, cls.may_pass, cls.too_large)
    assert not errors.RemoteError(URL, "NEW", "UNAVAILABLE", "x").nothing_written
    assert errors.RemoteError(URL, "NEW", "UNAVAILABLE", "x").may_pass
    assert not errors.RemoteError(URL, "NEW", "INTERNAL", "x").may_pass


def test_what_may_have_been_written_is_never_called_unwritten() -> None:
    unproven = {reason for reason, cls in errors.CLASSES.items() if not cls.nothing_written}
    assert {"OUTCOME_UNKNOWN", "CONTENDED", "REQUEST_TIMEOUT", "STORE", "STORE_CORRUPT"} <= unproven


@pytest.mark.parametrize("which", [NEW, OLD, slice(None)], ids=["new", "old", "both"])
def test_errors_of_old_and_new_nodes_are_read(which: slice) -> None:
    skew = peer_error(URL, told(errors.ClockSkewError("a version", 900, 500), which))
    assert isinstance(skew, errors.ClockSkewError)
    assert (skew.ahead, skew.limit) == (900, 500)
    gap = peer_error(URL, told(errors.WatchGapError(7), which))
    assert isinstance(gap, errors.WatchGapError)
    assert gap.oldest == 7
    full = peer_error(URL, told(errors.StoreFullError("no room"), which))
    assert isinstance(full, errors.RemoteError)
    assert (full.reason, full.code, full.nothing_written) == ("STORE_FULL", "RESOURCE_EXHAUSTED", True)
    assert isinstance(
        peer_error(URL, told(errors.WrongNodeError(URL, "b"), which)), errors.ReplicaUnreachableError
    )
    bug = remote_error(URL, told(ZeroDivisionError(), which))
    assert bug is not None
    assert (bug.reason, bug.nothing_written) == ("INTERNAL", False)


def test_an_old_peer_finds_what_it_always_found() -> None:
    """Written by hand, as version 0.1 sends and reads it."""
    error = errors.ClockSkewError("a version", 900, 500)
    trailers = dict(trailers_of(error, status_of(error)))
    assert (trailers["limedb-error"], trailers["limedb-facts"]) == ("ClockSkewError", "900 500")
    remote = errors.RemoteError(URL, "STORE_FULL", "RESOURCE_EXHAUSTED", "x")
    assert dict(trailers_of(remote, status_of(remote)))["limedb-error"] == "StoreFullError"
    answer = Told(
        grpc.StatusCode.OUT_OF_RANGE, "gap", [("limedb-error", "WatchGapError"), ("limedb-facts", "7")]
    )
    assert getattr(peer_error(URL, cast("grpc.Call", answer)), "oldest", None) == 7
    refusal = replica_pb2.Refusal(code=8, kind="StoreFullError", message="no room")
    full = refusal_error(URL, refusal)
    assert (full.reason, full.nothing_written) == ("STORE_FULL", True)


def test_an_item_of_an_old_batch_keeps_its_facts() -> None:
    failure = kv_pb2.Failure(kind="ReplicaUnreachableError")
    failure.facts.update({"node_url": URL, "reason": "refused"})
    error = item_error(URL, status_pb2.Status(code=14, message="m"), failure)
    assert isinstance(error, errors.ReplicaUnreachableError)
    assert (error.why, error.reason, str(error)) == ("refused", "REPLICA_UNREACHABLE", "m")


@pytest.mark.parametrize(
    "error",
    [
        errors.OutcomeUnknownError("k", 2, 1, {URL: "gone"}),
        errors.ValueTooLargeError("k", 2, 1),
        errors.RecordDamagedError(("k", "l"), "rot"),
        errors.RequestTimeoutError(1.5, "a node"),
        errors.InvalidKeyError(5000, 4096),
    ],
)
def test_an_error_comes_back_as_itself_with_its_facts(error: errors.LimeDBError) -> None:
    remote = error_from(URL, status_of(error))
    assert remote is not None
    again = as_itself(remote, remote.text)
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


LIMITED = errors.LimitExceededError("user a", "CLIENT_RATE", 9, "requests a second", 0.25)


@pytest.mark.parametrize(
    ("error", "milliseconds", "seconds"),
    [
        (LIMITED, 250, "1"),
        (errors.OverloadedError("reads", 2, 9, 10), 1000, "1"),
        (errors.TooManyWatchesError("this node", 9), 1000, "1"),
        (errors.LimitExceededError("user a", "CLIENT_RATE", 9, "requests a second", 2.0004), 2001, "3"),
    ],
)
def test_who_is_refused_for_a_moment_reads_for_how_long(
    error: errors.LimeDBError, milliseconds: int, seconds: str
) -> None:
    status = status_of(error)
    delay = RetryInfo()
    assert [detail.Unpack(delay) for detail in status.details] == [False, True]
    assert delay.retry_delay.ToMilliseconds() == milliseconds
    assert dict(trailers_of(error, status))["retry-after"] == seconds
    remote = error_from(URL, status)
    assert remote is not None
    assert as_itself(remote, remote.text).retry_seconds == milliseconds / 1000
    assert status_of(remote).details[1] == status.details[1]  # a node passes it on


def test_other_errors_name_no_time() -> None:
    error = errors.UnavailableError("x")
    status = status_of(error)
    assert len(status.details) == 1
    assert "retry-after" not in dict(trailers_of(error, status))


def test_an_old_node_names_no_time_and_its_client_waits_as_long_as_usual() -> None:
    status = status_of(errors.OverloadedError("reads", 2, 9, 10))
    del status.details[1]
    remote = error_from(URL, status)
    assert remote is not None
    assert as_itself(remote, "x").retry_seconds == errors.OverloadedError.retry_seconds


def test_long_texts_and_facts_stay_within_the_room_of_trailers() -> None:
    error = errors.RangeUnreachableError("a scan", "all", {f"http://n{n}:1": "r" * 100 for n in range(200)})
    status = status_of(error, "m", FACT_BYTES_IN_TRAILERS)
    assert len(status.message.encode()) <= TEXT_BYTES
    size = sum(len(str(name)) + 4 * len(value) // 3 for name, value in trailers_of(error, status))
    assert len(status.message.encode()) + size < 8 << 10
    remote = error_from(URL, status)
    assert remote is not None
    assert dict(remote.facts) == {"what": "a scan", "level": "all"}


@pytest.mark.parametrize("data", [b"\xff", b"", b"\x1a\x05\x0a\x01x\x12\xff"])
def test_details_that_are_none_are_passed_over(data: bytes) -> None:
    answer = Told(grpc.StatusCode.UNAVAILABLE, "x", [("grpc-status-details-bin", data)])
    assert remote_error(URL, cast("grpc.Call", answer)) is None


def test_facts_of_another_type_are_none() -> None:
    for fact in ("x", "[", "1e9", ""):
        remote = errors.RemoteError(URL, "WATCH_GAP", "OUT_OF_RANGE", "m", {"oldest": fact})
        assert getattr(as_itself(remote, "m"), "oldest", 0) is None
