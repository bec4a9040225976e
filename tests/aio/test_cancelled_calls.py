"""Messages of real calls that come just when nobody waits for them any more: none of them stays in memory."""

import ast
import asyncio
import ctypes
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

import limedb
from limedb.aio.whole_reads import whole

SIZE = (4 << 20) - 1024
CALLS = 12
MAX_GROWN = CALLS * SIZE // 3
"""Bytes: half of them stayed, at least, where the task that read was cancelled."""
COMES_SECONDS = 0.1
READERS_OF_THEIR_OWN = {"client/stream.py", "rpc/peer/stream.py"}
"""Their tasks only read, and are never cancelled."""


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server that sends large messages."""

    def stream(_request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
        for _ in range(3):
            yield b"v" * SIZE

    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
        "Unary": grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"v" * SIZE),
    }
    server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(grace=0).wait(30)


def held() -> int:
    """Bytes that this process holds."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    return int(psutil.Process().memory_info().rss)


async def of_a_stream(channel: grpc.aio.Channel) -> None:
    call = channel.unary_stream("/test.Test/Stream")(b"")
    await cancelled_as_it_comes(call.read())
    call.cancel()


async def of_a_unary_call(channel: grpc.aio.Channel) -> None:
    await cancelled_as_it_comes(channel.unary_unary("/test.Test/Unary")(b""))


async def cancelled_as_it_comes(read: Awaitable[object]) -> None:
    """The message comes while the loop is busy; before it can look, the reader is cancelled."""
    reading = asyncio.create_task(whole(read))
    await asyncio.sleep(0.01)
    time.sleep(COMES_SECONDS)  # noqa: ASYNC251 (the loop is to be busy)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


@pytest.mark.parametrize("call", [of_a_stream, of_a_unary_call])
async def test_what_comes_when_nobody_waits_any_more_is_freed(
    address: str, call: Callable[[grpc.aio.Channel], Awaitable[None]]
) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        await call(channel)
        before = held()
        for _ in range(CALLS):
            await call(channel)
    assert held() - before < MAX_GROWN


def test_every_read_of_a_message_is_a_whole_one() -> None:
    package = Path(limedb.__file__).parent
    modules = {
        path.relative_to(package).as_posix(): ast.parse(path.read_text()) for path in package.rglob("*.py")
    }
    bare = {
        f"{name}:{node.lineno}"
        for name, tree in modules.items()
        if name not in READERS_OF_THEIR_OWN
        for node in ast.walk(tree)
        if isinstance(node, ast.Await) and ast.unparse(node.value).endswith(("call.read()", "context.read()"))
    }
    assert bare == set()
