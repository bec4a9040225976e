"""Who may call what: every RPC of every service, with every kind of credential, at a node and through Envoy.

Tests limedb/rpc/server/rules.py, limedb/rpc/server/gate.py and limedb/node/services.py.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import pytest

from limedb.rpc.addressee import HEADER as MEANT
from limedb.rpc.server.rules import RULES, rule_of
from limedb.tls.bearer import bearer, with_token
from limedb.wire.status import name_of as code_name
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.access_table import CASES, INSIDE, OUTSIDE, SESSION, name_of, request_of
from tests.scenarios.guarded import KEY_ROLES, METHODS, NO, NOT, SECONDS, Guarded, guarded_cluster, outcome


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_cluster(tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


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
