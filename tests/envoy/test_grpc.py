"""gRPC and gRPC-Web through a real Envoy."""

import base64
import struct

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from limedbpb.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    cluster_pb2,
    cluster_pb2_grpc,
    gossip_pb2,
    gossip_pb2_grpc,
    kv_pb2,
    kv_pb2_grpc,
    replica_pb2,
    topology_pb2,
)
from tests.envoy.gateway import Gateway


def test_the_public_services_pass(gateway: Gateway) -> None:
    with grpc.insecure_channel(gateway.address) as channel:
        kv = kv_pb2_grpc.KVServiceStub(channel)
        assert kv.Set(kv_pb2.SetRequest(key="a/b", value="v")).receipt.version == 7
        assert kv.Get(kv_pb2.GetRequest(key="a/b")).value == "v"
        assert kv.Delete(kv_pb2.DeleteRequest(key="a/b")).deleted == 1
        assert cluster_pb2_grpc.ClusterServiceStub(channel).GetState(cluster_pb2.GetStateRequest()).node_url
        gossip_pb2_grpc.GossipServiceStub(channel).Exchange(gossip_pb2.ExchangeRequest())
        assert admin_pb2_grpc.AdminServiceStub(channel).GetStatus(admin_pb2.GetStatusRequest()).epoch == 3


def test_a_stream_passes_as_it_comes(gateway: Gateway) -> None:
    with grpc.insecure_channel(gateway.address) as channel:
        request = cluster_pb2.WatchClusterRequest(interval_ms=100)
        call = cluster_pb2_grpc.ClusterServiceStub(channel).WatchCluster(request)
        assert [next(call).epoch for _ in range(3)] == [1, 2, 3]
        call.cancel()


def test_an_error_keeps_its_code_and_text(gateway: Gateway) -> None:
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as refused:
        kv_pb2_grpc.KVServiceStub(channel).Get(kv_pb2.GetRequest(key="missing"))
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.NOT_FOUND, "key not found")


def test_a_message_larger_than_a_json_body_may_be_passes(gateway: Gateway) -> None:
    with grpc.insecure_channel(gateway.address) as channel:
        request = kv_pb2.SetRequest(key="k", value="v" * (9 << 20))
        kv_pb2_grpc.KVServiceStub(channel).Set(request)
    assert len(gateway.nodes[0].data["k"]) == 9 << 20


@pytest.mark.parametrize(
    "method",
    [
        f"/{service.full_name}/{method.name}"
        for service in (
            replica_pb2.DESCRIPTOR.services_by_name["ReplicaService"],
            topology_pb2.DESCRIPTOR.services_by_name["TopologyService"],
        )
        for method in service.methods
    ],
)
def test_what_is_for_peers_only_does_not_pass(gateway: Gateway, method: str) -> None:
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(method)(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert web_call(gateway, method.removeprefix("/limedb.v1."), b"").headers["grpc-status"] == "12"
    assert gateway.client.post(method, json={}).status_code == 404
    assert not any(node.calls for node in gateway.nodes)


def test_health_and_reflection_pass(gateway: Gateway) -> None:
    """For probes and for tools: compose publishes no other port than Envoy's."""
    with grpc.insecure_channel(gateway.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=10).status == serving
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == serving
        watch.cancel()
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        question = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = reflection.ServerReflectionInfo(iter([question]), timeout=10)
        assert "limedb.v1.KVService" in {s.name for s in answer.list_services_response.service}


@pytest.mark.parametrize("service", ["grpc.channelz.v1.Channelz", "grpc.reflection.v2.ServerReflection"])
def test_nothing_else_passes(gateway: Gateway, service: str) -> None:
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{service}/ServerReflectionInfo")(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "path", ["/api/v1/set", "/gossip", "/limedb.v1.KVServiceX/Get", "//limedb.v1.KVService/Get"]
)
def test_grpc_on_another_path_reaches_no_node(gateway: Gateway, path: str) -> None:
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(path)(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not any(node.calls for node in gateway.nodes)


def web_call(gateway: Gateway, method: str, message: bytes, text: bool = False) -> httpx.Response:
    body = struct.pack(">BI", 0, len(message)) + message
    kind = "application/grpc-web-text" if text else "application/grpc-web+proto"
    return gateway.client.post(
        f"/limedb.v1.{method}",
        content=base64.b64encode(body) if text else body,
        headers={
            "content-type": kind,
            "accept": kind,
            "x-grpc-web": "1",
            "origin": f"http://{gateway.address}",
        },
    )


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_grpc_web_passes(gateway: Gateway, text: bool) -> None:
    gateway.nodes[0].data["k"] = "v"
    answer = web_call(gateway, "KVService/Get", kv_pb2.GetRequest(key="k").SerializeToString(), text)
    frames = base64.b64decode(answer.content[: -len(answer.content) % -4 or None]) if text else answer.content
    (size,) = struct.unpack(">xI", frames[:5])
    assert kv_pb2.GetResponse.FromString(frames[5 : 5 + size]).value == "v"


def test_grpc_web_reaches_the_public_services_only(gateway: Gateway) -> None:
    answer = web_call(gateway, "ReplicaService/Read", b"")
    assert answer.headers["grpc-status"] == "12"
    assert web_call(gateway, "KVService/Get", b"\x0a\x01k").headers["grpc-status"] == "5"
    assert gateway.calls("Read") == 0
