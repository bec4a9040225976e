"""To which keys a right reaches: ranges, items of a batch, conditions, transactions, paths, open streams.

Tests limedb/rpc/server/batch_rules.py and limedb/rpc/server/rules.py.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from limedb.tls.bearer import bearer, with_token
from limedb.wire.status import name_of as code_name
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.access_table import INSIDE, OUTSIDE, PREFIX
from tests.scenarios.guarded import METHODS, NOT, SECONDS, Guarded, guarded_cluster, outcome
from tests.support.waiting import wait_for

NUMBERS = count()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_cluster(tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


@pytest.mark.parametrize(
    ("request_", "is_allowed"),
    [
        (kv_pb2.ScanRequest(prefix="tenant/"), True),
        (kv_pb2.ScanRequest(prefix="tenant/deep/"), True),
        (kv_pb2.ScanRequest(prefix="tenant/", after="tenant/x"), True),
        (kv_pb2.ScanRequest(start="tenant/", end="tenant0"), True),
        (kv_pb2.ScanRequest(start="tenant/a", end="tenant/b"), True),
        (kv_pb2.ScanRequest(prefix="tenant/", start="a", end="z"), True),
        (kv_pb2.ScanRequest(), False),
        (kv_pb2.ScanRequest(prefix="tenant"), False),
        (kv_pb2.ScanRequest(prefix="t"), False),
        (kv_pb2.ScanRequest(start="tenant/"), False),
        (kv_pb2.ScanRequest(start="tenant/", end="tenant01"), False),
        (kv_pb2.ScanRequest(start="tenant", end="tenant0"), False),
        (kv_pb2.ScanRequest(end="tenant/z"), False),
        (kv_pb2.ScanRequest(after="tenant/a"), False),
        (kv_pb2.ScanRequest(prefix="other/"), False),
        (kv_pb2.ScanRequest(prefix="other/", local=True), False),
        (kv_pb2.ScanRequest(local=True), False),
    ],
    ids=str,
)
def test_a_scan_is_allowed_only_if_all_of_its_range_is(
    guarded: Guarded, request_: kv_pb2.ScanRequest, is_allowed: bool
) -> None:
    method = METHODS["limedb.v1.KVService/Scan"]
    for address in guarded.doors.values():
        found = outcome(address, method, request_, bearer(guarded.tokens["read"]))
        assert found == ("OK" if is_allowed else NOT)


@pytest.mark.parametrize(
    ("request_", "is_allowed"),
    [
        (kv_pb2.WatchRequest(key="tenant/a"), True),
        (kv_pb2.WatchRequest(prefix="tenant/"), True),
        (kv_pb2.WatchRequest(prefix="tenant/deep"), True),
        (kv_pb2.WatchRequest(), False),
        (kv_pb2.WatchRequest(prefix=""), False),
        (kv_pb2.WatchRequest(prefix="tenant"), False),
        (kv_pb2.WatchRequest(key="tenant"), False),
        (kv_pb2.WatchRequest(key="other/b"), False),
    ],
    ids=str,
)
def test_a_watch_is_allowed_only_if_all_of_it_is(
    guarded: Guarded, request_: kv_pb2.WatchRequest, is_allowed: bool
) -> None:
    method = METHODS["limedb.v1.KVService/Watch"]
    found = outcome(guarded.doors["node"], method, request_, bearer(guarded.tokens["watch"]))
    assert (found == NOT) is not is_allowed


def test_a_batch_is_judged_item_by_item(guarded: Guarded) -> None:
    with grpc.insecure_channel(guarded.doors["node"]) as channel:
        root = kv_pb2_grpc.KVServiceStub(with_token(channel, guarded.root))
        keys = ["tenant/1", "other/1", "tenant/2", "tenant/1"]
        for key in set(keys):
            root.Set(kv_pb2.SetRequest(key=key, value=key), timeout=SECONDS)
        reader = kv_pb2_grpc.KVServiceStub(with_token(channel, guarded.tokens["read"]))
        results = reader.BatchGet(kv_pb2.BatchGetRequest(keys=keys), timeout=SECONDS).results
        assert [result.value for result in results] == ["tenant/1", "", "tenant/2", "tenant/1"]
        assert code_name(results[1].error.code) == NOT
        assert "other" not in results[1].error.message
        writer = kv_pb2_grpc.KVServiceStub(with_token(channel, guarded.tokens["write"]))
        writes = [
            kv_pb2.BatchWrite(key="tenant/1", value="new"),
            kv_pb2.BatchWrite(key="other/1", value="new"),
            kv_pb2.BatchWrite(key="other/1", delete=True),
            kv_pb2.BatchWrite(key="tenant/2", delete=True),
        ]
        written = writer.BatchSet(kv_pb2.BatchSetRequest(writes=writes), timeout=SECONDS).results
        codes = [code_name(r.error.code) if r.HasField("error") else "OK" for r in written]
        assert codes == ["OK", NOT, NOT, "OK"]
        results = root.BatchGet(kv_pb2.BatchGetRequest(keys=keys[:3]), timeout=SECONDS).results
        assert [result.value for result in results] == ["new", "other/1", ""]


def test_a_key_twice_in_an_item_is_judged_as_it_is_stored(guarded: Guarded) -> None:
    """Protobuf takes the last of two: so must the judge."""
    tricked = kv_pb2.BatchWrite(key="tenant/1", value="x").SerializeToString()
    tricked += kv_pb2.BatchWrite(key="other/tricked").SerializeToString()
    request = b"\x0a" + bytes([len(tricked)]) + tricked
    with grpc.insecure_channel(guarded.doors["node"]) as channel:
        batch_set = channel.unary_unary(
            "/limedb.v1.KVService/BatchSet", response_deserializer=kv_pb2.BatchSetResponse.FromString
        )
        answer = batch_set(request, metadata=bearer(guarded.tokens["write"]), timeout=SECONDS)
    assert code_name(answer.results[0].error.code) == NOT


def test_a_path_can_not_pass_a_rule(guarded: Guarded, tmp_path: Path) -> None:
    import httpx

    headers = dict(bearer(guarded.tokens["read"]))
    base = guarded.cluster.envoy_url
    for path in (
        "get/other/b",
        "get/tenant/..%2F..%2Fother/b",
        "get/other/b?key=tenant/a",
        "scan?prefix=other/",
    ):
        answer = httpx.get(f"{base}/api/v1/{path}", headers=headers)
        assert answer.status_code in (400, 403, 404), path
        assert answer.status_code != 404 or path.startswith("get/tenant/..")
    denied = httpx.get(f"{base}/api/v1/get/other/b")
    assert (denied.status_code, denied.headers["www-authenticate"]) == (401, 'Bearer realm="limedb"')


def test_a_revoked_token_ends_within_seconds_also_for_open_streams(guarded: Guarded) -> None:
    with guarded.users() as users:
        _, token = users.add("leaver", ["read", "watch", "write"])
    with grpc.insecure_channel(guarded.doors["envoy"]) as channel:
        stub = kv_pb2_grpc.KVServiceStub(with_token(channel, token))
        root = kv_pb2_grpc.KVServiceStub(with_token(channel, guarded.root))
        watch = stub.Watch(kv_pb2.WatchRequest(prefix="tenant/"))
        next(watch)  # type: ignore[call-overload]
        with guarded.users() as users:
            users.delete("leaver")

        def is_refused() -> bool:
            try:
                stub.Get(kv_pb2.GetRequest(key="tenant/none"), timeout=SECONDS)
            except grpc.RpcError as error:
                return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)  # type: ignore[attr-defined]
            return False

        wait_for("the token ends", is_refused)

        def code_of_next() -> grpc.StatusCode | None:
            root.Set(kv_pb2.SetRequest(key="tenant/secret", value="x"), timeout=SECONDS)
            try:
                next(watch)  # type: ignore[call-overload]
            except grpc.RpcError as error:
                return error.code()  # type: ignore[attr-defined, no-any-return]
            return None

        assert wait_for("the watch ends", code_of_next) is grpc.StatusCode.UNAUTHENTICATED


def condition_outcomes(guarded: Guarded, user: str, key: str) -> tuple[str, str, str]:
    """What a Set with a condition that can't hold gets, a Delete with it, and an item of a batch."""
    never = kv_pb2.Condition(version=1, wants_current=True)
    calls: list[tuple[str, Message]] = [
        ("Set", kv_pb2.SetRequest(key=key, value="x", condition=never)),
        ("Delete", kv_pb2.DeleteRequest(key=key, condition=never)),
        (
            "BatchSet",
            kv_pb2.BatchSetRequest(
                writes=[
                    kv_pb2.BatchWrite(key=f"{PREFIX}plain", value="x"),
                    kv_pb2.BatchWrite(key=key, value="x", condition=never),
                ]
            ),
        ),
    ]
    shown = bearer(guarded.tokens[user])
    first, second, third = (
        outcome(guarded.doors["node"], METHODS[f"limedb.v1.KVService/{name}"], request, shown)
        for name, request in calls
    )
    return first, second, third


def test_a_condition_asks_for_the_right_to_read(guarded: Guarded) -> None:
    """Whether it holds says what the key has, and so does the error."""
    with guarded.users() as users:
        guarded.tokens["both"] = users.add("both", [f"write:{PREFIX}", f"read:{INSIDE}"])[1]
    assert condition_outcomes(guarded, "write", INSIDE) == (NOT, NOT, NOT)
    assert condition_outcomes(guarded, "read", INSIDE) == (NOT, NOT, NOT)
    failed = "FAILED_PRECONDITION"
    assert condition_outcomes(guarded, "both", INSIDE) == (failed, failed, failed)
    assert condition_outcomes(guarded, "both", f"{PREFIX}z") == (NOT, NOT, NOT)
    assert condition_outcomes(guarded, "admin", INSIDE) == (failed, failed, failed)


@pytest.mark.parametrize(
    ("compared", "written", "read", "code"),
    [
        (INSIDE, INSIDE, INSIDE, "OK"),
        (OUTSIDE, INSIDE, INSIDE, NOT),
        (INSIDE, f"{PREFIX}z", INSIDE, NOT),
        (INSIDE, INSIDE, OUTSIDE, NOT),
        (f"{PREFIX}z", INSIDE, INSIDE, NOT),
    ],
    ids=["all", "compares another", "writes unseen", "reads another", "compares unseen"],
)
def test_a_transaction_asks_for_the_rights_to_all_its_keys(
    guarded: Guarded, compared: str, written: str, read: str, code: str
) -> None:
    with guarded.users() as users:
        _, token = users.add(f"transactor-{next(NUMBERS)}", [f"write:{PREFIX}", f"read:{INSIDE}"])
    exists = kv_pb2.Condition(exists=True)
    steps = [kv_pb2.TxnStep(delete=written + "{t}"), kv_pb2.TxnStep(get=read + "{t}")]
    for success, failure in ((steps, []), ([], steps)):
        request = kv_pb2.TxnRequest(
            compare=[kv_pb2.TxnCompare(key=compared + "{t}", condition=exists)],
            success=success,
            failure=failure,
        )
        method = METHODS["limedb.v1.KVService/Txn"]
        assert outcome(guarded.doors["node"], method, request, bearer(token)) == code


def test_a_change_by_what_a_key_has_asks_for_the_rights_to_read_and_write(guarded: Guarded) -> None:
    with guarded.users() as users:
        _, token = users.add("editor", [f"write:{PREFIX}", f"read:{INSIDE}"])
    requests = (
        ("GetAndDelete", kv_pb2.GetAndDeleteRequest),  # whatever other tests have left
        ("Increment", kv_pb2.IncrementRequest),
        ("GetAndSet", lambda key: kv_pb2.GetAndSetRequest(key=key, value="x")),
        ("Append", lambda key: kv_pb2.AppendRequest(key=key, value="x")),
    )
    for name, make in requests:
        method = METHODS[f"limedb.v1.KVService/{name}"]
        for key, code in ((INSIDE, "OK"), (f"{PREFIX}z", NOT), (OUTSIDE, NOT)):
            assert outcome(guarded.doors["node"], method, make(key=key), bearer(token)) == code, (name, key)
