"""What cancelled calls leave in memory: `python -m tests.aio.cancelled_calls stream|unary` prints the bytes.

A process of its own, since what else ran in it would be measured, too.
"""

import asyncio
import ctypes
import gc
import sys
import time
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import psutil

from limedb.aio.whole_reads import whole

SIZE = (4 << 20) - 1024
FIRST_CALLS, CALLS = 8, 24
"""Calls in which buffers and arenas grow to their size, and then those that are measured."""
COMES_SECONDS = 0.1


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server that sends large messages, for the time of the block."""

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
    await asyncio.sleep(0.02)
    time.sleep(COMES_SECONDS)  # noqa: ASYNC251 (the loop is to be busy)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


KINDS = {"stream": of_a_stream, "unary": of_a_unary_call}


async def grown(kind: str) -> int:
    """Bytes that CALLS calls leave, after FIRST_CALLS."""
    with serving() as address:
        async with grpc.aio.insecure_channel(address) as channel:
            await channel.channel_ready()
            for _ in range(FIRST_CALLS):
                await KINDS[kind](channel)
            before = held()
            for _ in range(CALLS):
                await KINDS[kind](channel)
        return held() - before


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(grown(sys.argv[1]))}\n")
