"""A client of the nodes of `nodes.py`, by the bare rules of the layout: what it wrote must be read back."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from limedb.core.quorum import majority
from limedb.core.record import Record, merge
from limedb.errors import (
    StaleEpochError,
    UnavailableError,
)
from tests.cluster.nodes import Cluster, Node, ReplicaWire

T = TypeVar("T")


class Client:
    """Writes and reads at QUORUM through a node, by the rules of `core/layout.py` and nothing more: no hints,
    no repair, so that what a change of the topology loses stays lost. acked: what must be read back.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.acked: dict[str, str] = {}
        self.failed = 0

    async def write(self, node: Node, key: str, value: str) -> bool:
        """Write at QUORUM; whether it was acknowledged."""
        record = Record(key, value, node.hybrid.tick(node.clock.wall_ms()))
        for _ in range(5):
            try:
                owners = node.topology_store.layout.of_key(key)
                fence = node.topology_store.topology.fence
                acks = await self._ask(node, owners.write_set, lambda r, f=fence: r.apply([record], f, 0.0))
            except UnavailableError:
                break
            if acks is None:
                continue
            if len(acks) >= majority(owners.replicas) + len(owners.pending):
                self.acked[key] = value
                return True
            break
        self.failed += 1
        return False

    async def read(self, node: Node, key: str) -> str | None:
        """Read at QUORUM. UnavailableError."""
        for _ in range(5):
            owners = node.topology_store.layout.of_key(key)
            fence = node.topology_store.topology.fence
            found = await self._ask(node, owners.natural, lambda r, f=fence: r.read([key], f, 0.0))
            if found is None:
                continue
            if len(found) < majority(owners.replicas):
                raise UnavailableError(f"only {len(found)} of {owners}")
            stands: Record | None = None
            for [record] in found:
                if record is not None:
                    stands = record if stands is None else merge(stands, record)
            return None if stands is None or stands.value is None else str(stands.value)
        raise UnavailableError("the topology keeps changing")

    async def _ask(
        self, node: Node, urls: Iterable[str], work: Callable[[ReplicaWire], Awaitable[T]]
    ) -> list[T] | None:
        """The answers; None: a replica knew a newer topology."""
        calls = [work(node.replicas.at(url)) for url in urls]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, StaleEpochError):
                await node.verifier.follow(answer.topology)
                return None
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    async def write_many(self, node: Node, prefix: str, count: int) -> None:
        for i in range(count):
            await self.write(node, f"{prefix}{i}", f"v{i}")

    async def write_on(self, nodes: Callable[[], list[Node]], prefix: str) -> None:
        """Write through nodes in turn until cancelled."""
        i = 0
        while True:
            living = nodes()
            await self.write(living[i % len(living)], f"{prefix}{i}", f"v{i}")
            await asyncio.sleep(0.02)
            i += 1

    async def check(self, node: Node) -> None:
        """All that was acknowledged is read back."""
        for key, value in self.acked.items():
            assert await self.read(node, key) == value, key
