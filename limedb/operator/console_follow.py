"""Follows the cluster through one node, and through another one when that stops telling.

It owns which nodes it knows and which of them it listens to. It must never ask for what the stream tells.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeAlias

import grpc

from limedb.aio.retrying import LONGEST_LOOK, Pauses
from limedb.aio.whole_reads import whole
from limedb.operator import console_convert as convert
from limedb.operator.console_values import Lost, Sample
from limedb.wire.channels import options_for
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc

Call: TypeAlias = (
    "grpc.aio.UnaryStreamCall[cluster_pb2.WatchClusterRequest, cluster_pb2.WatchClusterResponse]"
)

INTERVAL_MS = 1000
"""Milliseconds between two samples of a cluster in which nothing changes."""
FIRST_PAUSE = 0.5
"""Seconds after the first round in which none of the known nodes told anything; further pauses grow."""


class Follower:
    """Follows the cluster behind some addresses (host:port). late: seconds that a sample may be late: then a
    node counts as lost, for it may hang, its connection open.
    """

    def __init__(self, addresses: tuple[str, ...], late: float) -> None:
        self._silence = INTERVAL_MS / 1000 + late
        self._seeds, self._others = addresses, addresses[:0]
        self._current = addresses[0]
        self._by_url: dict[str, str] = {}

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where nodes may be found: the one that is followed, others that it takes for alive, and the
        addresses given.
        """
        return tuple(dict.fromkeys((self._current, *self._others, *self._seeds)))

    def addresses_to(self, node_url: str) -> tuple[str, ...]:
        """Where one node may be reached: at its own address, then, through Envoy, at the others."""
        own = self._by_url.get(node_url)
        return (own, *self.addresses) if own else self.addresses

    async def follow(self) -> AsyncGenerator[Sample | Lost, None]:
        """Samples, for ever. A Lost says that another node is tried now: each that is known, in turn."""
        pauses = Pauses(FIRST_PAUSE, LONGEST_LOOK)
        while True:
            tried: set[str] = set()
            while address := next((a for a in self.addresses if a not in tried), None):
                tried.add(address)
                async for told in self._through(address):
                    if isinstance(told, Sample):
                        self._learn(told)
                        pauses.begin_anew()
                        tried = {address}
                    yield told
            await asyncio.sleep(pauses.pause())

    def _learn(self, told: Sample) -> None:
        live = (n for n in told.nodes if n.status == "active" and n.url != told.node_url)
        self._current, self._others = told.address, tuple(node.address for node in live)
        self._by_url = {node.url: node.address for node in told.nodes}

    async def _through(self, address: str) -> AsyncGenerator[Sample | Lost, None]:
        """Samples of one node, then why there are no more."""
        reason = "it ended the stream"
        async with grpc.aio.insecure_channel(address, options_for(self._silence)) as channel:
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            call = stub.WatchCluster(cluster_pb2.WatchClusterRequest(interval_ms=INTERVAL_MS))
            try:
                while isinstance(told := await _read(call, self._silence), cluster_pb2.WatchClusterResponse):
                    yield convert.sample(address, told)
            except grpc.aio.AioRpcError as error:
                gone = error.code() is grpc.StatusCode.UNAVAILABLE
                reason = "nothing answers" if gone else f"{error.code().name}: {error.details()}"
            except TimeoutError:
                reason = f"silent for {self._silence:g} s"
            finally:
                call.cancel()
        yield Lost(address, reason)


async def _read(call: Call, limit: float) -> object:
    """The next message, or the end of the stream. TimeoutError: neither comes within `limit` seconds."""
    async with asyncio.timeout(limit):
        return await whole(call.read())
