"""A bare grpc.aio echo under uvloop: the least cost of any unary call, whatever the server does.

It also answers KVService/Get with a constant of LimeDB's shape, so that the same Envoy serves it as REST.
"""

import sys

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from bench.data import key_of, value_of
from limedbpb.v1 import kv_pb2

_CONSTANT = kv_pb2.GetResponse(
    value=value_of(key_of(1)), node_url="http://127.0.0.1:20000", version=1 << 60
).SerializeToString()

_Context = grpc.aio.ServicerContext[bytes, bytes]


async def echo(data: bytes, context: _Context) -> bytes:
    return data


async def constant(data: bytes, context: _Context) -> bytes:
    return _CONSTANT


async def serve(port: int) -> None:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 1000)))
    for service, method, handler in (
        ("bench.Echo", "Echo", echo),
        ("limedb.v1.KVService", "Get", constant),
    ):
        handlers = {method: grpc.unary_unary_rpc_method_handler(handler)}  # type: ignore[var-annotated]
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    healthy = health.aio.HealthServicer()
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
