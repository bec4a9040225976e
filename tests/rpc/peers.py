"""Real peers for tests of links: gRPC servers in this process, and one in a process of its own, which can be
stopped in its tracks (SIGSTOP).
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.ports import Applied, ChangeBatch, RangePage
from limedb.rpc.addressee import check_addressee
from limedb.rpc.server.behaviour import Check
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.memory import Memory
from limedb.rpc.server.replica import ReplicaServicer
from limedb.rpc.server.server import Server, Servicer
from limedb.rpc.server.topology import TopologyServicer
from tests.support.children import LIMIT
from tests.support.ports import free_port

URL = "http://peer:1"


class SystemClock:
    """The machine's clocks."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic()

    def worked(self) -> float:
        return 0.0


class FakeReplica:
    """A replica that gives prepared answers, after a time. error: raised instead."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.error: Exception | None = None
        self.asked: list[tuple[Any, ...]] = []
        self.records: dict[str, Record] = {}

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Record | None]:
        await self._take("read", list(keys), fence, *([most] if most else []))
        return [self.records.get(key) for key in keys]

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        await self._take("apply", list(records), fence)
        return [Applied(7, True, 5) for _ in records]

    def read_stored(
        self, keys: Sequence[str], fence: Fence, most: int | None = None
    ) -> list[bytes | None] | None:
        """The store isn't at hand."""
        return None

    def compare_stored(self, keys: Sequence[str], sums: bytes, fence: Fence) -> list[int] | None:
        """The store isn't at hand."""
        return None

    async def scan_stored(self, span: Any, limit: int, fence: Fence) -> list[bytes] | None:
        """The store isn't at hand."""
        return None

    async def scan(self, span: Any, limit: int, fence: Fence, deadline: float) -> Any:
        await self._take("scan", span, limit, fence)
        return [*self.records.values()]

    async def scan_range(
        self, keys: Any, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> Any:
        await self._take("range", keys, limit, fence)
        return RangePage([*self.records.values()], True)

    async def watch(self, what: Any, since_ms: int | None, fence: Fence) -> Any:
        await self._take("watch", what, since_ms, fence)
        yield ChangeBatch([*self.records.values()], 7, 5, since_ms is not None)
        yield ChangeBatch([], 8, 5, False)

    async def digests(self, spans: Any, cutoff_ms: int, fence: Fence, deadline: float) -> list[int]:
        await self._take("digests", list(spans), cutoff_ms, fence)
        return [2**64 - 1 for _ in spans]

    async def entries(self, spans: Any, fence: Fence, deadline: float) -> Any:
        await self._take("entries", list(spans), fence)
        return self.found

    async def agree(self, proposals: Any, fence: Fence, deadline: float) -> Any:
        await self._take("agree", list(proposals), fence)
        return self.found

    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Any:
        await self._take("promise", key, ballot, fence)
        return self.found

    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        await self._take("release", key, ballot, fence)

    async def promises(self, spans: Any, fence: Fence, deadline: float) -> Any:
        await self._take("promises", list(spans), fence)
        return self.found

    found: Any = ()

    async def _take(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.error:
            raise self.error
        if self.delay:
            await asyncio.sleep(self.delay)  # what a slow disk does


def new_memory(size: int = 1 << 30, most_calls: int | None = None) -> Memory:
    """What a server's requests, answers and streams may hold. most_calls: of clients, at a time."""
    return Memory(size, SystemClock(), **({} if most_calls is None else {"most_calls": most_calls}))


@asynccontextmanager
async def serving(address: str, *servicers: Servicer, name: str = "") -> AsyncIterator[Server]:
    """A server of some services, for the time of the block. name: of its node, where calls may say which one
    they mean.
    """
    server = new_server(*servicers, check=partial(check_addressee, name) if name else None)
    await server.start([address])
    try:
        yield server
    finally:
        await server.stop(0.1)


def new_server(*servicers: Servicer, check: Check | None = None) -> Server:
    """A server of some services that doesn't listen yet. check: raises the refusal of a call."""
    server = Server(new_memory())
    for servicer in servicers:
        server.add(servicer, check=check)
    return server


def servicers(replica: Any, keeper: Any = None) -> tuple[Servicer, Servicer]:
    """What a peer serves to peers."""
    deadlines, memory = Deadlines(SystemClock(), 10.0), new_memory()
    return ReplicaServicer(replica, deadlines, SystemClock(), memory.peers), TopologyServicer(keeper)


class Process:
    """A peer in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self._process, self.address = process, address

    def stop(self) -> None:
        """Make it stand still, its connections open."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it continue."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        os.kill(self._process.pid, signal.SIGKILL)


@asynccontextmanager
async def peer_process(delay: float = 0.0) -> AsyncIterator[Process]:
    """A peer whose replica takes `delay` seconds for an answer, for the time of the block."""
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.rpc.peers", address, str(delay), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(LIMIT):
                assert await process.stdout.readline() == b"ready\n"
            yield Process(process, address)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _main(address: str, delay: str) -> None:
    async with serving(address, *servicers(FakeReplica(float(delay)))):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
