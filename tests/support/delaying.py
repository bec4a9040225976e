"""A TCP proxy that delays: a network as wide as a test wants it.

It owns the delay of each direction, and keeps the order of bytes. It must never change or drop any.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.children import join
from tests.support.ports import free_port

CHUNK = 1 << 16
Sent = tuple[float, bytes]


@contextmanager
def far(address: str, seconds: float) -> Iterator[str]:
    """A way to a node that takes `seconds` one way, for the time of the block."""
    with free_port() as port, delaying_proxy(port, address, seconds) as proxy:
        yield proxy


@contextmanager
def delaying_proxy(port: int, target: str, seconds: float) -> Iterator[str]:
    """The address of a proxy at `port` of 127.0.0.1 that leads to `target` (host:port), with `seconds` of
    delay each way, for the time of the block. It runs on a thread of its own.
    """
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(_serve(port, target, seconds, ready, over),), daemon=True
    )
    thread.start()
    try:
        assert ready.wait(30)
        yield f"127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(over.set)
        join(thread)
        loop.close()


async def _serve(port: int, target: str, seconds: float, ready: threading.Event, over: asyncio.Event) -> None:
    transports: list[asyncio.WriteTransport] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transports.append(writer.transport)
        with suppress(OSError, asyncio.CancelledError):
            await _carry(reader, writer, target, seconds, transports)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    ready.set()
    await over.wait()
    server.close()
    while left := asyncio.all_tasks() - {asyncio.current_task()}:  # one that was just accepted makes another
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
    for transport in transports:
        transport.abort()  # what is still to be sent would keep its socket open
    for _ in range(3):
        await asyncio.sleep(0)  # in which they are closed


async def _carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    target: str,
    seconds: float,
    transports: list[asyncio.WriteTransport],
) -> None:
    host, port = target.rsplit(":", 1)
    await asyncio.sleep(2 * seconds)  # what TCP's handshake would take
    there, back = await asyncio.open_connection(host, int(port))
    transports.append(back.transport)
    try:
        await asyncio.gather(_pump(reader, back, seconds), _pump(there, writer, seconds))
    finally:
        back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Write what is read, later by the delay; end both when one side ends."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Sent]()

    async def read() -> None:
        data = b"-"
        while data:
            data = await reader.read(CHUNK)
            queue.put_nowait((loop.time() + seconds, data))

    reading = loop.create_task(read())
    try:
        while (sent := await queue.get())[1]:
            await asyncio.sleep(sent[0] - loop.time())  # the delay itself
            writer.write(sent[1])
            await writer.drain()
    finally:
        reading.cancel()
        writer.close()
