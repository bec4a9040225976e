"""A stand-in for a node, for Envoy to talk to: real gRPC services over a dictionary.

It owns what it was asked (`calls`) and how it is told to misbehave. It must never know of Envoy.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from limedb.core.record import Record
from limedb.errors import ConditionFailedError, KeyNotFoundError
from limedb.rpc.server.outcomes import as_shown
from limedb.rpc.server.outcomes import trailers_of as condition_trailers_of
from limedb.wire.conditions import condition_from
from limedb.wire.status import status_of, trailers_of
from limedbpb.v1 import admin_pb2, cluster_pb2, dashboard_pb2, gossip_pb2, kv_pb2, replica_pb2, topology_pb2

Answer = Callable[[Any, grpc.ServicerContext], Any]

OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.max_receive_message_length", 64 << 20),
)


VERSION = 7
"""Of all values."""


@dataclass(frozen=True)
class Call:
    """A request as it came."""

    method: str
    request: Any
    metadata: dict[str, str]


@dataclass
class StandIn:
    """A node's stand-in.

    failures: how many of the next calls of a method answer UNAVAILABLE.
    held: the methods that never answer.
    """

    url: str
    address: str
    data: dict[str, str]
    health: health.HealthServicer
    calls: list[Call] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    held: set[str] = field(default_factory=set)
    watched: threading.Event = field(default_factory=threading.Event)

    def forget(self) -> None:
        """Be as at the start."""
        self.data.clear()
        self.calls.clear()
        self.failures.clear()
        self.held.clear()
        self.set_serving(True)

    def set_serving(self, serving: bool) -> None:
        """Set the answer of grpc.health.v1."""
        status = health_pb2.HealthCheckResponse
        self.health.set("", status.SERVING if serving else status.NOT_SERVING)

    def asked(self, method: str) -> list[Call]:
        """The calls of a method, in order."""
        return [call for call in self.calls if call.method == method]


@contextmanager
def stand_in(port: int, data: dict[str, str]) -> Iterator[StandIn]:
    """A stand-in that listens at the port, for the time of the block. data: shared by all of a cluster."""
    node = StandIn(f"http://127.0.0.1:{port}", f"127.0.0.1:{port}", data, health.HealthServicer())
    server = grpc.server(ThreadPoolExecutor(8), options=OPTIONS)
    for service, answers in _answers(node).items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, answers),))
    health_pb2_grpc.add_HealthServicer_to_server(node.health, server)
    server.add_generic_rpc_handlers((_Rest(node),))
    reflection.enable_server_reflection(["limedb.v1.KVService", reflection.SERVICE_NAME], server)
    node.set_serving(True)
    server.add_insecure_port(node.address)
    server.start()
    try:
        yield node
    finally:
        node.watched.set()
        server.stop(grace=0).wait(30)


def _answers(node: StandIn) -> dict[str, dict[str, "grpc.RpcMethodHandler[Any, Any]"]]:
    """The handlers of each service, by name."""
    return {
        "limedb.v1.KVService": _kv_handlers(node),
        "limedb.v1.ClusterService": _handlers(
            node,
            cluster_pb2,
            GetState=cluster_pb2.GetStateResponse(node_url=node.url),
            GetRing=cluster_pb2.GetRingResponse(current_node=node.url),
            GetGossip=cluster_pb2.GetGossipResponse(node_url=node.url),
            GetHealth=cluster_pb2.GetHealthResponse(status="healthy", node_url=node.url),
            LocateKey=lambda request, _context: cluster_pb2.LocateKeyResponse(key=request.key, epoch=3),
            WatchCluster=lambda request, context: _watch(node, request, context),
        ),
        "limedb.v1.AdminService": _handlers(
            node,
            admin_pb2,
            GetStatus=admin_pb2.GetStatusResponse(node_url=node.url, epoch=3),
            PlanJoin=lambda request, _context: admin_pb2.PlanJoinResponse(plan={"what": request.url}),
            Decommission=admin_pb2.DecommissionResponse(plan={"what": "leaves"}),
            Remove=admin_pb2.RemoveResponse(plan={"what": "goes"}),
            Cancel=admin_pb2.CancelResponse(plan={"what": "stays"}),
            Repair=lambda _request, _context: (
                admin_pb2.RepairResponse(spans=2, spans_done=n, finished=n == 2) for n in range(3)
            ),
        ),
        "limedb.v1.DashboardService": _handlers(
            node,
            dashboard_pb2,
            GetAsset=lambda request, _context: HttpBody(content_type="text/css", data=request.path.encode()),
        ),
        "limedb.v1.GossipService": _handlers(node, gossip_pb2, Exchange=gossip_pb2.ExchangeResponse()),
        "limedb.v1.ReplicaService": _handlers(
            node, replica_pb2, Read=replica_pb2.ReadResponse(), Apply=replica_pb2.ApplyResponse()
        ),
        "limedb.v1.TopologyService": _handlers(
            node, topology_pb2, Learn=topology_pb2.LearnResponse(), Fetch=topology_pb2.FetchResponse()
        ),
    }


class _Rest(grpc.GenericRpcHandler):
    """All other methods of LimeDB: they are noted, and fail."""

    def __init__(self, node: StandIn) -> None:
        self._node = node

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        path = str(details.method)
        if not path.startswith("/limedb."):
            return None

        def fail(request: Any, context: grpc.ServicerContext) -> Any:
            self._node.calls.append(Call(path.rpartition("/")[2], request, {}))
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "a stand-in has no such method")

        return grpc.unary_unary_rpc_method_handler(fail)


STREAMS = {"WatchCluster", "Repair"}


def _watch(node: StandIn, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    """Snapshots, each after the interval, for as long as the client listens."""
    for epoch in itertools.count(1):
        if not context.is_active():
            return
        yield cluster_pb2.WatchClusterResponse(node_url=node.url, epoch=epoch)
        node.watched.wait(request.interval_ms / 1000)


def _kv_handlers(node: StandIn) -> dict[str, Any]:
    def get(request: Any, context: grpc.ServicerContext) -> Any:
        if request.key not in node.data:
            status = status_of(error := KeyNotFoundError(request.key))
            context.set_trailing_metadata(trailers_of(error, status))
            context.abort(grpc.StatusCode.NOT_FOUND, status.message)
        return kv_pb2.GetResponse(value=node.data[request.key], node_url=node.url, version=VERSION)

    def set_(request: Any, context: grpc.ServicerContext) -> Any:
        _judge(node, request, context)
        node.data[request.key] = request.value
        return kv_pb2.SetResponse(receipt={"version": VERSION})

    def delete(request: Any, context: grpc.ServicerContext) -> Any:
        _judge(node, request, context)
        return kv_pb2.DeleteResponse(deleted=int(node.data.pop(request.key, None) is not None))

    fixed = {"ListKeys": kv_pb2.ListKeysResponse(), "BatchGet": kv_pb2.BatchGetResponse()}
    fixed["BatchSet"] = kv_pb2.BatchSetResponse()
    return _handlers(node, kv_pb2, Get=get, Set=set_, SetDirect=set_, Delete=delete, **fixed)


def _judge(node: StandIn, request: Any, context: grpc.ServicerContext) -> None:
    """Refuse a write whose condition doesn't hold, as a node does. All values have one version."""
    if isinstance(request, kv_pb2.SetDirectRequest) or (condition := condition_from(request)) is None:
        return
    value = node.data.get(request.key)
    record = None if value is None else Record(request.key, value, VERSION)
    if not condition.holds(record, 0):
        version = record.version if record else 0
        error = ConditionFailedError(request.key, version, record is not None, condition.required)
        error.record = record
        error = as_shown(error, condition)
        status = status_of(error)
        context.set_trailing_metadata((*trailers_of(error, status), *condition_trailers_of(error)))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, status.message)


def _handlers(node: StandIn, requests: Any, **answers: Any) -> dict[str, Any]:
    """Handlers by method. answers: a message, or a function of a request and its context."""
    return {
        name: _handler(
            node, name, getattr(requests, f"{name}Request"), answer if callable(answer) else _always(answer)
        )
        for name, answer in answers.items()
    }


def _always(response: Any) -> Answer:
    return lambda _request, _context: response


def _handler(
    node: StandIn, name: str, request_class: Any, answer: Answer
) -> "grpc.RpcMethodHandler[Any, Any]":
    """One method: it takes the call down, fails when told to, refuses an empty key as a node does."""

    def serve(request: Any, context: grpc.ServicerContext) -> Any:
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        node.calls.append(Call(name, request, metadata))
        if node.failures[name] > 0:
            node.failures[name] -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "told to fail")
        while name in node.held and context.is_active():
            time.sleep(0.01)
        if "key" in request.DESCRIPTOR.fields_by_name and not request.key:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "key is empty")
        return answer(request, context)

    handler = grpc.unary_stream_rpc_method_handler if name in STREAMS else grpc.unary_unary_rpc_method_handler
    return handler(
        serve,
        request_deserializer=request_class.FromString,
        response_serializer=lambda r: r.SerializeToString(),
    )
