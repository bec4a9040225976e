"""What Envoy publishes, as one table: every RPC of every service, in every form, at each listener.

The decisions are in limedb/wire/audience.py; an RPC that isn't there fails here.
"""

import struct
from collections.abc import Iterator

import grpc
import httpx
import pytest
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from limedb.errors import RemoteError
from limedb.launch.access import Access
from limedb.operator.admin import admin_client
from limedb.wire import rest
from limedb.wire.audience import AUDIENCES, ON_REQUEST, Audience
from tests.envoy.gateway import Gateway, running_gateway
from tests.support.services import services

METHODS: dict[str, MethodDescriptor] = {
    f"{service.full_name}/{method.name}": method for service in services() for method in service.methods
}
PUBLISHED = {
    "public": {Audience.CLIENTS},
    "operators": {Audience.CLIENTS, Audience.OPERATORS},
    "all": {Audience.CLIENTS, Audience.OPERATORS, Audience.ON_REQUEST},
}
"""For whom RPCs are published, by listener: that of all, that of operators, one where all was asked for."""
FIELDS = {"key": "k", "keys": ["k"], "writes": [{"key": "k", "delete": True}]}
CONNECT = {"KVService", "ClusterService", "AdminService"}
"""The services that Envoy publishes in the Connect protocol, too."""
NOTHING = struct.pack(">BI", 0, 0)
"""A message without fields in its frame."""


@pytest.fixture(scope="module")
def separate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """An Envoy as compose has it: operators have a listener of their own."""
    with running_gateway(tmp_path_factory.mktemp("separate"), count=1, access=Access()) as gateway:
        yield gateway


@pytest.fixture
def addresses(shared_gateway: Gateway, separate: Gateway) -> dict[str, tuple[Gateway, str]]:
    """Where each listener is, and the Envoy that has it."""
    return {
        "public": (separate, separate.address),
        "operators": (separate, separate.operators),
        "all": (shared_gateway, shared_gateway.address),
    }


def test_every_rpc_of_limedb_is_decided_on() -> None:
    decided = {
        f"{service}/{method}"
        for service, methods in AUDIENCES.items()
        if service.startswith("limedb.")
        for method in methods
    }
    assert decided == set(METHODS)
    assert set(ON_REQUEST.values()) == {
        rpc for rpc in METHODS if AUDIENCES[rpc.split("/")[0]][rpc.split("/")[1]] is Audience.ON_REQUEST
    }


@pytest.mark.process
@pytest.mark.parametrize("listener", PUBLISHED)
@pytest.mark.parametrize("rpc", METHODS)
def test_an_rpc_is_reached_in_each_form_where_it_is_published_and_nowhere_else(
    addresses: dict[str, tuple[Gateway, str]], listener: str, rpc: str
) -> None:
    gateway, address = addresses[listener]
    service, _, name = rpc.partition("/")
    is_published = AUDIENCES[service][name] in PUBLISHED[listener]
    reached = {form: _reaches(gateway, address, rpc, request) for form, request in _forms(rpc).items()}
    assert reached == {form: is_published and not form.endswith("GET call") for form in reached}


def _forms(rpc: str) -> dict[str, httpx.Request | None]:
    """A request in each form, of which those that end with "GET call" must reach nothing; None: by gRPC."""
    method, path = METHODS[rpc], f"http://envoy/{rpc}"
    query = {"connect": "v1", "encoding": "proto", "base64": "1", "message": ""}
    forms: dict[str, httpx.Request | None] = {
        "gRPC": None,
        "gRPC-Web": httpx.Request("POST", path, content=NOTHING, headers=_type("application/grpc-web+proto")),
        "Connect's GET call": httpx.Request("GET", path, params=query),
        "plain GET call": httpx.Request("GET", path, headers=_type("application/grpc")),
        "OPTIONS of a GET call": httpx.Request("OPTIONS", path, headers=_type("application/grpc")),
    }
    is_stream = method.client_streaming or method.server_streaming
    if method.containing_service.name in CONNECT and not is_stream:
        forms["Connect"] = httpx.Request("POST", path, headers=_type("application/proto"))
    body = {name: FIELDS[name] for name in FIELDS if name in method.input_type.fields_by_name}
    for each in (endpoint for endpoint in rest.endpoints() if endpoint.rpc == rpc):
        url = "http://envoy" + each.start + ("" if each.start == "/" or not each.variables else "x")
        forms[f"{each.method} {url}"] = httpx.Request(
            each.method, url, json=body if each.method == "POST" else None
        )
    return forms


def _reaches(gateway: Gateway, address: str, rpc: str, request: httpx.Request | None) -> bool:
    """Whether a node is asked for an RPC by a request; None: by gRPC."""
    for node in gateway.nodes:
        node.forget()
    if request is None:
        _call(address, f"/{rpc}")
    else:
        host, _, port = address.partition(":")
        request.url = request.url.copy_with(host=host, port=int(port))
        request.headers["host"] = address
        gateway.client.send(request, stream=True).close()  # the head of the answer is enough
    return bool(gateway.calls(rpc.partition("/")[2]))


def _type(kind: str) -> dict[str, str]:
    return {"content-type": kind}


def _call(address: str, path: str) -> None:
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_stream(path)(b"", timeout=10)
        try:
            next(call)
        except (grpc.RpcError, StopIteration):
            return
        call.cancel()


@pytest.mark.process
def test_a_refusal_says_who_has_the_call(separate: Gateway) -> None:
    post = httpx.post(f"http://{separate.address}/api/v1/admin/decommission", json={"url": "http://a:1"})
    assert (post.status_code, post.json()["code"]) == (404, 5)
    assert post.json()["message"].startswith(
        "this call is for operators: ask a node, or Envoy where its option"
    )
    gossip = httpx.post(f"http://{separate.operators}/gossip", json={"type": "GOSSIP_SYN"})
    assert "by --publish gossip" in gossip.json()["message"]
    with (
        admin_client(separate.address, 10) as admin,
        pytest.raises(RemoteError, match="--operators") as refused,
    ):
        admin.status()
    assert (refused.value.reason, refused.value.code) == ("UNSUPPORTED", "UNIMPLEMENTED")
    with admin_client(separate.operators, 10) as admin:
        assert admin.status().epoch == 3


@pytest.mark.process
@pytest.mark.parametrize(
    "path", ["/limedb.v1.KVService/Nope", "/limedb.v2.KVService/Get", "/limedb.v1.KVService/"]
)
def test_a_call_that_nobody_decided_on_passes_nowhere(separate: Gateway, path: str) -> None:
    for address in (separate.address, separate.operators):
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(path)(b"", timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not separate.calls("Nope")


@pytest.mark.process
def test_a_call_takes_post(separate: Gateway) -> None:
    answer = httpx.get(
        f"http://{separate.address}/limedb.v1.KVService/Set?connect=v1&encoding=proto&message="
    )
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.process
def test_health_passes_and_reflection_says_for_whom_the_listener_is(separate: Gateway) -> None:
    """A node lists by that what its callers can call: tests/rpc/server/test_reflection.py."""
    for address in (separate.address, separate.operators):
        with grpc.insecure_channel(address) as channel:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            assert check(b"", timeout=10).status == health_pb2.HealthCheckResponse.SERVING
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            question = reflection_pb2.ServerReflectionRequest(list_services="")
            assert list(stub.ServerReflectionInfo(iter([question]), timeout=10))
