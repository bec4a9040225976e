"""Follows the cluster through one node, and through another one when that falls silent.

It owns which nodes it knows and which of them it follows. It must never ask for what the stream reports.

Tested in tests/tui/test_console.py.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeAlias

import grpc

from limedb.aio.retrying import LONGEST_LOOK_SECONDS, Pauses
from limedb.aio.whole_reads import whole
from limedb.operator import console_convert as convert
from limedb.operator.call_errors import reason_of
from limedb.operator.console_values import Lost, Sample
from limedb.tls.bearer import Token
from limedb.tls.dialling import open_aio_channel
from limedb.tls.target import ClientTls, Target
from limedb.wire.channels import options_for
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc

Call: TypeAlias = (
    "grpc.aio.UnaryStreamCall[cluster_pb2.WatchClusterRequest, cluster_pb2.WatchClusterResponse]"
)

INTERVAL_MS = 1000
"""The time between two samples of a cluster in which nothing changes."""
FIRST_PAUSE_SECONDS = 0.5
"""The pause after the first round in which no known node sent anything; further pauses grow."""


class Follower:
    """Follows the cluster behind some addresses (host:port). late: a node whose sample is more seconds late
    counts as lost, since it may hang while its connection stays open. tls: None: without TLS. token: to show;
    None: there is none.
    """

    def __init__(
        self,
        addresses: tuple[str, ...],
        late: float,
        tls: ClientTls | None = None,
        token: Token | None = None,
    ) -> None:
        self._tls, self._token = tls, token
        self._silence = INTERVAL_MS / 1000 + late
        self._seeds, self._others = addresses, addresses[:0]
        self._current = addresses[0]
        self._by_url: dict[str, str] = {}

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of nodes: the followed one, others that it regards as alive, and those given."""
        return tuple(dict.fromkeys((self._current, *self._others, *self._seeds)))

    def addresses_to(self, node_url: str) -> tuple[str, ...]:
        """Return the addresses for one node: its own, then the others, which may be Envoy's."""
        own = self._by_url.get(node_url)
        return (own, *self.addresses) if own else self.addresses

    async def follow(self) -> AsyncGenerator[Sample | Lost, None]:
        """Yield samples forever. A Lost means that it now tries another node: each known one in turn."""
        pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_LOOK_SECONDS)
        while True:
            tried: set[str] = set()
            while address := next((a for a in self.addresses if a not in tried), None):
                tried.add(address)
                async for news in self._through(address):
                    if isinstance(news, Sample):
                        self._learn(news)
                        pauses.begin_anew()
                        tried = {address}
                    yield news
            await asyncio.sleep(pauses.pause())

    def _learn(self, sample: Sample) -> None:
        live = (n for n in sample.nodes if n.status == "active" and n.url != sample.node_url)
        self._current, self._others = sample.address, tuple(node.address for node in live)
        self._by_url = {node.url: node.address for node in sample.nodes}

    async def _through(self, address: str) -> AsyncGenerator[Sample | Lost, None]:
        """Yield the samples of one node, then the reason why there are no more."""
        reason = "it ended the stream"
        async with open_aio_channel(
            Target(address, self._tls, self._token), options_for(self._silence)
        ) as channel:
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            call = stub.WatchCluster(cluster_pb2.WatchClusterRequest(interval_ms=INTERVAL_MS))
            try:
                while isinstance(
                    answer := await _read(call, self._silence), cluster_pb2.WatchClusterResponse
                ):
                    yield convert.sample(address, answer)
            except grpc.aio.AioRpcError as error:
                reason = reason_of(error)
            except TimeoutError:
                reason = f"silent for {self._silence:g} s"
            finally:
                call.cancel()
        yield Lost(address, reason)


async def _read(call: Call, limit: float) -> object:
    """Return the next message, or the end of the stream. TimeoutError: neither within `limit` seconds."""
    async with asyncio.timeout(limit):
        return await whole(call.read())
