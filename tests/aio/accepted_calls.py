"""How many tasks grpc.aio makes a call: run as a program, it prints that of the grpcio that it finds."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import grpc

CALLS = 100


async def echo(data: bytes, context: object) -> bytes:
    """Return what came."""
    return data


async def count() -> float:
    """Return the tasks that client and server made a call."""
    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}  # type: ignore[var-annotated]
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    made: list[str] = []

    def note(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any
    ) -> asyncio.Task[Any]:
        made.append(work.__qualname__)
        return asyncio.Task(work, loop=loop, **more)

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask: Any = channel.unary_unary("/test.Echo/Echo")
        assert await ask(b"x") == b"x"
        asyncio.get_running_loop().set_task_factory(note)
        for _ in range(CALLS):
            await ask(b"x")
        asyncio.get_running_loop().set_task_factory(None)
    await server.stop(0)
    return len(made) / CALLS


if __name__ == "__main__":
    print(asyncio.run(count()))  # noqa: T201
