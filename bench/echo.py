"""A bare grpc.aio echo under uvloop: what any unary call costs at least, whatever the server does."""

import sys

import grpc
import uvloop


async def echo(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return data


async def serve(port: int) -> None:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 1000)))
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
