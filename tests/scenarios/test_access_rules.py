"""Who may call what: every RPC of every service, with every kind of credential, at a node and through Envoy.

Tests limedb/rpc/server/rules.py, limedb/rpc/server/gate.py, limedb/rpc/server/batch_rules.py and
limedb/node/services.py.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from limedb.access.peer_secret import HEADER as PROOF
from limedb.access.peer_secret import PeerSecret
from limedb.operator.users import UserClient
from limedb.rpc.addressee import HEADER as MEANT
from limedb.rpc.server.rules import RULES, rule_of
from limedb.tls.bearer import bearer, with_token
from limedb.tls.target import Target
from limedb.wire.status import name_of as code_name
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.access_table import (
    CASES,
    INSIDE,
    OUTSIDE,
    PREFIX,
    SESSION,
    methods,
    name_of,
    request_of,
)
from tests.support.clusters import RunningCluster, running_cluster
from tests.support.waiting import wait_for

NUMBERS = count()

KEY_ROLES = ("read", "write", "watch", "admin")
SECONDS = 10.0
METHODS = {f"{m.containing_service.full_name}/{m.name}": m for m in methods()}
NO, NOT = "UNAUTHENTICATED", "PERMISSION_DENIED"


class Guarded:
    """A cluster that asks for tokens. tokens: by the name of what their holder may do."""

    def __init__(self, cluster: RunningCluster) -> None:
        self.cluster = cluster
        self.root = (cluster.folder / "root.token").read_text().strip()
        self.secret = PeerSecret((cluster.folder / "cluster.secret").read_text().strip())
        self.tokens: dict[str, str] = {}
        with self.users() as users:
            for role in KEY_ROLES:
                self.tokens[role] = users.add(role, [f"{role}:{PREFIX}"])[1]
                self.tokens[f"all-{role}"] = users.add(f"all-{role}", [role])[1]
            self.tokens["operator"] = users.add("operator", ["operator"])[1]
            self.tokens["revoked"] = users.add("revoked", ["admin", "operator"])[1]
            users.delete("revoked")
        self.tokens["unknown"] = self.tokens["admin"][:-2] + "xx"

    @property
    def doors(self) -> dict[str, str]:
        return {"node": self.cluster.nodes[0].address, "envoy": self.cluster.envoy_address}

    @contextmanager
    def users(self, token: str = "", door: str = "node") -> Iterator[UserClient]:
        address = self.doors[door]
        with grpc.insecure_channel(address) as channel:
            yield UserClient(Target(address), with_token(channel, token or self.root), SECONDS)

    def as_node(self) -> tuple[tuple[str, bytes], ...]:
        meant = self.cluster.nodes[0].url.encode()
        return ((MEANT, meant), (PROOF, self.secret.proof(meant)))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with running_cluster(tmp_path_factory.mktemp("guarded"), nodes=2, auth=True) as running:
        yield Guarded(running)


def outcome(address: str, method: MethodDescriptor, request: Message, metadata: Any) -> str:
    """The name of the code that a call gets, or that the first item of a batch gets; OK."""
    kind = "stream" if method.client_streaming else "unary"
    answers = "stream" if method.server_streaming else "unary"
    with grpc.insecure_channel(address) as channel:
        make = getattr(channel, f"{kind}_{answers}")
        call = make(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        try:
            sent = iter([request]) if method.client_streaming else request
            # Long enough for an answer: a stream that says nothing was let in.
            seconds = 2.0 if method.server_streaming else SECONDS
            answer = call(sent, metadata=metadata, timeout=seconds)
            if method.server_streaming:
                first = next(iter(answer), None)
                answer.cancel()
                answer = first
        except grpc.RpcError as error:
            return str(error.code().name)  # type: ignore[attr-defined]
    for result in getattr(answer, "results", ()):
        if result.HasField("error"):
            return code_name(result.error.code)
    return "OK"


def test_each_rpc_has_a_case_and_a_rule() -> None:
    assert {name_of(method) for method in METHODS.values()} == CASES.keys()
    assert {f"{service}/{name}" for service, names in RULES.items() for name in names} == METHODS.keys()


def test_an_rpc_without_a_rule_is_not_served() -> None:
    with pytest.raises(LookupError, match="who may call it"):
        rule_of("limedb.v1.KVService", "Truncate")


def expected(needs: str, case_is_whole: bool, is_about_key: bool) -> Mapping[str, set[str]]:
    """Which credentials are refused, and how; all others are let in."""
    if needs == "public":
        return {NO: set(), NOT: set()}
    nobodies = {"none", "unknown", "revoked", "malformed", "proof of another node"}
    named = {*KEY_ROLES, *(f"all-{role}" for role in KEY_ROLES), "operator"}
    match needs:
        case "known":
            enough = {*named, "root", "node"}
        case "node":
            enough = {"node"}
        case "all":
            enough = {"root"}
        case "operator":
            enough = {"operator", "root"}
        case "any write":
            enough = {"write", "all-write", "admin", "all-admin", "root"}
        case "read and write":
            enough = {"all-admin", "admin", "root"}
        case role:
            enough = {f"all-{role}", "all-admin", "root"}
            enough |= set() if case_is_whole else {role, "admin"}
    return {NO: nobodies, NOT: {*named, "root", "node"} - enough}


@pytest.mark.parametrize("door", ["node", "envoy"])
@pytest.mark.parametrize("path", METHODS)
def test_each_rpc_lets_in_whom_it_should(guarded: Guarded, path: str, door: str) -> None:
    method = METHODS[path]
    case = CASES[name_of(method)]
    address = guarded.doors[door]
    shown: dict[str, Any] = {name: bearer(token) for name, token in guarded.tokens.items()}
    shown |= {
        "none": (),
        "root": bearer(guarded.root),
        "malformed": (("authorization", "Basic cm9vdDpyb290"),),
        "node": guarded.as_node(),
        "proof of another node": ((MEANT, b"http://127.0.0.1:1"), guarded.as_node()[1]),
    }
    request = request_of(method, INSIDE)
    found = {name: outcome(address, method, request, metadata) for name, metadata in shown.items()}
    if door == "envoy" and not case.is_at_envoy:
        assert set(found.values()) == {"UNIMPLEMENTED"}
        return
    refused = expected(case.needs, case.is_whole, case.make is not None)
    assert {name for name, code in found.items() if code == NO} == refused[NO], found
    assert {name for name, code in found.items() if code == NOT} == refused[NOT], found
    if case.make is not None:
        beyond = request_of(method, OUTSIDE)
        for role in KEY_ROLES:
            if name_of(method) != "AccessService/AddUser":  # it refuses the nonsense in its roles first
                assert outcome(address, method, beyond, shown[role]) == NOT, role


@pytest.mark.parametrize("door", ["node", "envoy"])
@pytest.mark.parametrize("operation", SESSION)
def test_each_request_of_a_session_is_judged(guarded: Guarded, operation: str, door: str) -> None:
    role, make = SESSION[operation]

    def ask(token: str, key: str) -> str:
        with grpc.insecure_channel(guarded.doors[door]) as channel:
            stub = kv_pb2_grpc.KVServiceStub(with_token(channel, token))
            answer = next(iter(stub.Session(iter([make(key)]), timeout=SECONDS)))
        assert isinstance(answer, kv_pb2.SessionResponse)
        if answer.HasField("error"):
            return code_name(answer.error.code)
        results = [*answer.batch_get.results, *answer.batch_set.results]
        return next((code_name(r.error.code) for r in results if r.HasField("error")), "OK")

    good = {"OK", "NOT_FOUND", "FAILED_PRECONDITION"}  # an increment may meet a text
    for enough in {role, "admin", f"all-{role}"} & guarded.tokens.keys():
        assert ask(guarded.tokens[enough], INSIDE) in good, enough
    for other in {*KEY_ROLES, "operator"} - {role, "admin"}:
        assert ask(guarded.tokens[other], INSIDE) == NOT, other
    assert ask(guarded.tokens[role if role in guarded.tokens else "admin"], OUTSIDE) == NOT


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
