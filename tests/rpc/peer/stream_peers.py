"""A peer that is asked over a real stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.encoding.record import decode
from limedb.encoding.sums import differing
from limedb.observability.tracing import Tracing
from limedb.ports import Applied
from limedb.rpc.peer.links import PeerLinks
from limedb.rpc.peer.remote_replica import RemoteReplica
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.replica import ReplicaServicer
from limedb.rpc.server.topology import TopologyServicer
from tests.rpc.peers import URL, SystemClock, new_memory, serving
from tests.support.ports import free_port

FENCE = Fence("00000000000000aa", 3)
CARRY = "/limedb.v1.ReplicaService/Carry"


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


class Own:
    """A replica with prepared behaviour for each key. gates: reads and writes of these keys wait.

    compares: whether it has stored bytes at hand to compare.
    """

    def __init__(self) -> None:
        self.compares = True
        self.gates: dict[str, asyncio.Event] = {}
        self.errors: dict[str, Exception] = {}
        self.applied: dict[str, Applied] = {}
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.stored: dict[str, bytes] = {}
        self.deadlines: list[float] = []

    def read_stored(
        self, keys: Sequence[str], fence: Fence, most: int | None = None
    ) -> list[bytes | None] | None:
        if any(key in self.gates for key in keys):
            return None
        self._note(keys[0])
        return [self.stored.get(key) for key in keys]

    def compare_stored(self, keys: Sequence[str], sums: bytes, fence: Fence) -> list[int] | None:
        if not self.compares:
            return None
        self._note(keys[0])
        return differing([self.stored.get(key) for key in keys], sums)

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Record | None]:
        await self._work(keys[0])
        return [decode(self.stored[key]) if key in self.stored else None for key in keys]

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        self.deadlines.append(deadline)
        await self._work(records[0].key)
        return [self.applied.get(record.key, Applied(0, False)) for record in records]

    def _note(self, key: str) -> None:
        self.begun.append(key)
        if key in self.errors:
            raise self.errors[key]

    async def _work(self, key: str) -> None:
        self._note(key)
        try:
            if key in self.gates:
                await self.gates[key].wait()
        finally:
            self.ended.append(key)


class Servicer(ReplicaServicer):
    """Notes how many questions each frame has, and which calls came alone. is_old: it knows no sums."""

    def __init__(self, own: Any) -> None:
        self.is_old = False
        self.memory = new_memory().peers
        super().__init__(own, Deadlines(SystemClock(), 10.0), SystemClock(), self.memory)
        self.frames: list[int] = []
        self.alone: list[str] = []
        self.is_old = False  # so that it doesn't know columns

    def Carry(self, requests: AsyncIterator[Any], context: Any) -> Any:  # noqa: N802
        return super().Carry(self._noted(requests), context)

    async def Apply(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.alone.append("Apply")
        return await super().Apply(request, context)

    async def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.alone.append("Read")
        return await super().Read(request, context)

    async def _noted(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self.frames.append(len(request.questions))
            for question in request.questions if self.is_old else ():
                question.ClearField("sums")
                question.ClearField("in_columns")
            yield request


class Peer:
    """A peer and the way to it."""

    def __init__(self, address: str, tracing: Tracing | None = None) -> None:
        self.own, self.address = Own(), address
        self.servicer = Servicer(self.own)
        self.links = PeerLinks(lambda _: address, SystemClock(), tracing)
        self.replica = RemoteReplica(self.links.to(URL), SystemClock())

    def serving(self) -> Any:
        return serving(self.address, self.servicer, TopologyServicer(None))  # type: ignore[arg-type]

    async def read(self, key: str, seconds: float = 10.0) -> list[Record | None]:
        return await self.replica.read((key,), FENCE, soon(seconds))

    async def apply(self, key: str, seconds: float = 10.0, value: str = "v") -> list[Applied]:
        return [*await self.replica.apply((Record(key, value, 1),), FENCE, soon(seconds))]

    def begin(self, *keys: str, how: str = "apply", seconds: float = 10.0) -> list[asyncio.Task[Any]]:
        """Requests for keys that wait at the peer."""
        for key in keys:
            self.own.gates[key] = asyncio.Event()
        return [asyncio.create_task(getattr(self, how)(key, seconds)) for key in keys]


@asynccontextmanager
async def made(**settings: Any) -> AsyncIterator[Peer]:
    with free_port() as port:
        peer = Peer(f"127.0.0.1:{port}", **settings)
        try:
            async with peer.serving():
                yield peer
        finally:
            await peer.links.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # between two looks
