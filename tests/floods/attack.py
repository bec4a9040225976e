"""The floods, each a process of its own: `python -m tests.floods.attack NAME ADDRESS`.

It owns what is sent. Each flood says "flooding" once all of it is on its way, holds until it is ended, and
is bounded: in count, and by its owner's end, who is its parent. Loopback only.
"""

import asyncio
import ctypes
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import grpc

from limedbpb.v1 import kv_pb2, replica_pb2
from tests.floods import wire

LARGE = [f"large-{n:03d}" for n in range(40)]
"""Keys that hold 100 kB each: a batch of them is about as large as an answer may be."""
KV = "/limedb.v1.KVService/"


def main(name: str, address: str) -> None:
    """Run a flood until the parent ends it, or is gone."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    assert address.startswith(("127.0.0.1:", "localhost:")), address
    FLOODS[name](address)


def _hold(_links: Sequence[socket.socket]) -> None:
    """Keep the connections until the parent ends it."""
    print("flooding", flush=True)  # noqa: T201 (what its parent waits for)
    signal.pause()


# --- by gRPC's own client


def _with_grpc(run: "Callable[[str], object]") -> Callable[[str], None]:
    return lambda address: asyncio.run(run(address))  # type: ignore[arg-type]


def _channel(address: str) -> grpc.aio.Channel:
    options = (
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
    )
    return grpc.aio.insecure_channel(address, options=options)


async def _forever() -> None:
    print("flooding", flush=True)  # noqa: T201
    await asyncio.Event().wait()


async def sessions(address: str) -> None:
    """50 sessions that ask for 4 MB 60 times each, and never read."""
    request = kv_pb2.SessionRequest(id=1, batch_get=kv_pb2.BatchGetRequest(keys=LARGE[:38]))
    data, calls = request.SerializeToString(), []
    for _ in range(50):
        call = _channel(address).stream_stream(KV + "Session")()
        calls.append(call)
        for _ in range(60):
            with suppress(Exception, TimeoutError):
                await asyncio.wait_for(call.write(data), 0.2)
    await _forever()


async def batch_sets(address: str) -> None:
    """60 batches of 60 MB, all at once, and those that are refused again after three seconds."""
    write = kv_pb2.BatchWrite(value="v" * 1_000_000)
    writes = [kv_pb2.BatchWrite(key=f"flood-{n}", value=write.value) for n in range(60)]
    data = kv_pb2.BatchSetRequest(writes=writes).SerializeToString()

    async def send(channel: grpc.aio.Channel) -> None:
        while True:
            with suppress(grpc.aio.AioRpcError):
                await channel.unary_unary(KV + "BatchSet")(data, timeout=30)
            await asyncio.sleep(3)

    channels = [_channel(address) for _ in range(6)]
    await asyncio.gather(_forever(), *(send(channels[n % 6]) for n in range(60)))


async def batch_gets(address: str) -> None:
    """1,000 batches that ask for 4 MB each, over 10 connections, again and again."""
    data = kv_pb2.BatchGetRequest(keys=LARGE[:38]).SerializeToString()

    async def ask(channel: grpc.aio.Channel) -> None:
        while True:
            with suppress(grpc.aio.AioRpcError):
                await channel.unary_unary(KV + "BatchGet")(data, timeout=30)
            await asyncio.sleep(1)

    channels = [_channel(address) for _ in range(10)]
    await asyncio.gather(_forever(), *(ask(channels[n % 10]) for n in range(1000)))


async def scans(address: str) -> None:
    """1,000 scans over 10 connections, never read."""
    data, calls = kv_pb2.ScanRequest().SerializeToString(), []
    for _ in range(10):
        channel = _channel(address)
        calls += [channel.unary_stream(KV + "Scan")(data) for _ in range(100)]
    await _forever()


async def watches(address: str) -> None:
    """1,000 watches over 10 connections, never read, while much is written."""
    data, calls = kv_pb2.WatchRequest().SerializeToString(), []
    for _ in range(10):
        channel = _channel(address)
        calls += [channel.unary_stream(KV + "Watch")(data) for _ in range(100)]
    write = kv_pb2.SetRequest(key="watched", value="v" * 50_000).SerializeToString()
    channel = _channel(address)
    print("flooding", flush=True)  # noqa: T201
    while True:
        with suppress(grpc.aio.AioRpcError):
            await channel.unary_unary(KV + "Set")(write, timeout=5)
        await asyncio.sleep(0.01)


async def carries(address: str) -> None:
    """20 streams of a peer, each of many questions in few bytes, never read."""
    question = replica_pb2.Question(timeout_ms=60_000, keys=LARGE[:38])
    calls = []
    for _ in range(20):
        questions = [
            replica_pb2.Question(number=n + 1, timeout_ms=60_000, keys=question.keys) for n in range(500)
        ]
        data = replica_pb2.CarryRequest(questions=questions).SerializeToString()
        call = _channel(address).stream_stream("/limedb.v1.ReplicaService/Carry")()
        calls.append(call)
        with suppress(Exception, TimeoutError):
            await asyncio.wait_for(call.write(data), 1)
    await _forever()


# --- by hand


def unread_gets(address: str) -> None:
    """2,000 Gets of 1 MB over 10 connections whose streams have no window."""
    block = wire.header_block(KV + "Get")
    data = kv_pb2.GetRequest(key="larger").SerializeToString()
    _hold([_sent(address, (wire.call(2 * n + 1, block, data) for n in range(200))) for _ in range(10)])


def unread_sets(address: str) -> None:
    """100,000 tiny Sets over 100 connections, whose answers nobody reads."""
    block = wire.header_block(KV + "Set")
    links = []
    for link in range(100):
        calls = (
            wire.call(2 * n + 1, block, kv_pb2.SetRequest(key=f"t{link}-{n}", value="v").SerializeToString())
            for n in range(1000)
        )
        links.append(_sent(address, calls))
    _hold(links)


def half_open(address: str) -> None:
    """10,000 calls over 10 connections whose message never comes."""
    block = wire.header_block(KV + "Set")
    opens = b"".join(wire.frame(wire.HEADERS, wire.END_HEADERS, 2 * n + 1, block) for n in range(1000))
    _hold([_sent(address, [opens]) for _ in range(10)])


def slow_bodies(address: str) -> None:
    """500 calls over 5 connections that say 60 MB, send one, and stop."""
    block, links = wire.header_block(KV + "BatchSet"), []
    start = b"\0" + (60_000_000).to_bytes(4, "big") + b"x" * 16_000
    for _ in range(5):
        parts = (
            wire.frame(wire.HEADERS, wire.END_HEADERS, 2 * n + 1, block)
            + wire.frame(wire.DATA, 0, 2 * n + 1, start)
            for n in range(100)
        )
        links.append(_sent(address, parts))
    _hold(links)


def cluster_watches(address: str) -> None:
    """10,000 streams over 10 connections that tell of the cluster every 100 ms, never read."""
    block = wire.header_block("/limedb.v1.ClusterService/WatchCluster")
    _hold(
        [_sent(address, (wire.call(2 * n + 1, block, b"\x08\x64") for n in range(1000))) for _ in range(10)]
    )


def metadata(address: str) -> None:
    """Calls with 8 kB of headers, 20,000 of them, each reset at once."""
    block = wire.header_block(KV + "Get", {f"x-{n}": "m" * 1000 for n in range(8)})
    _resets(address, block, 2_000)


def rapid_reset(address: str) -> None:
    """200,000 calls, each reset as soon as it was opened."""
    _resets(address, wire.header_block(KV + "Get"), 20_000)


def pings(address: str) -> None:
    """A million pings."""
    ping = wire.frame(wire.PING, 0, 0, b"12345678") * 1000
    _hold([_sent(address, (ping for _ in range(100))) for _ in range(10)])


def frames(address: str) -> None:
    """A million frames each that set nothing, open no window, and are of no kind that there is."""
    kinds = [
        wire.frame(wire.SETTINGS, 0, 0),
        wire.frame(wire.WINDOW_UPDATE, 0, 0, b"\0\0\0\1"),
        wire.frame(0xFA, 0, 0),
    ]
    floods = [frame * 1000 for frame in kinds]
    _hold([_sent(address, (flood for _ in range(100))) for flood in floods for _ in range(10)])


def idle(address: str) -> None:
    """2,000 connections on which nothing is said."""
    host, _, port = address.rpartition(":")
    links = []
    for _ in range(2_000):
        with suppress(OSError):
            links.append(socket.create_connection((host, int(port)), timeout=5))
    _hold(links)


def reconnects(address: str) -> None:
    """Connections that are opened, used once and closed, without end: a storm of GOAWAYs."""
    print("flooding", flush=True)  # noqa: T201
    block, data = wire.header_block(KV + "Get"), kv_pb2.GetRequest(key="k").SerializeToString()
    while True:
        with suppress(OSError):
            _sent(address, [wire.call(1, block, data)]).close()


def curls(address: str) -> None:
    """60 scans through Envoy by HTTP/1.1, not read: `curl -N` that waits in a pipe."""
    host, _, port = address.rpartition(":")
    links = []
    for _ in range(60):
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect((host, int(port)))
        link.sendall(b"GET /api/v1/scan HTTP/1.1\r\nhost: localhost\r\n\r\n")
        links.append(link)
    for link in links:
        link.recv(1)  # its answer has begun
    _hold(links)


def endless_bodies(address: str) -> None:
    """50 chunked bodies through Envoy without an end."""
    host, _, port = address.rpartition(":")
    links = [socket.create_connection((host, int(port))) for _ in range(50)]
    for link in links:
        link.sendall(b"POST /api/v1/set HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    print("flooding", flush=True)  # noqa: T201
    while True:
        for link in links:
            with suppress(OSError):
                link.send(chunk, socket.MSG_DONTWAIT)
        time.sleep(0.01)


def _resets(address: str, block: bytes, count: int) -> None:
    cancel = (8).to_bytes(4, "big")
    parts = (
        wire.frame(wire.HEADERS, wire.END_HEADERS, 2 * n + 1, block)
        + wire.frame(wire.RST_STREAM, 0, 2 * n + 1, cancel)
        for n in range(count)
    )
    whole = b"".join(parts)
    _hold([_sent(address, [whole]) for _ in range(10)])


def _sent(address: str, parts: "Iterator[bytes] | Sequence[bytes]", window: int = 0) -> socket.socket:
    """A connection on which these were sent, as far as the other side took them within a second a part."""
    link = wire.connected(address, window)
    for part in parts:
        data = memoryview(part)
        while data:
            if not select.select([], [link], [], 1)[1]:
                return link
            try:
                data = data[link.send(data, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                continue
            except OSError:
                return link
    return link


FLOODS: dict[str, Callable[[str], None]] = {
    **{
        run.__name__.replace("_", "-"): _with_grpc(run)
        for run in (sessions, batch_sets, batch_gets, scans, watches, carries)
    },
    **{
        run.__name__.replace("_", "-"): run
        for run in (
            unread_gets, unread_sets, half_open, slow_bodies, cluster_watches, metadata, rapid_reset, pings,
            frames, idle, reconnects, curls, endless_bodies,
        )
    },
}  # fmt: skip

if __name__ == "__main__":
    main(*sys.argv[1:])
