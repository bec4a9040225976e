"""Calls of a console to nodes, on its event loop: gossip of one node, pages of keys, owners of a key.

It owns the channels to these nodes. It must never write, or call a node unless the console asks.

Tested in tests/tui/test_console.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import grpc

from limedb.aio.whole_reads import whole
from limedb.errors import LimeDBError, RequestTimeoutError, UnavailableError, UnsupportedError
from limedb.operator import console_convert as convert
from limedb.operator.call_errors import error_of
from limedb.operator.console_values import Gossip, KeyPage, KeyRow, Owner
from limedb.tls.bearer import Token
from limedb.tls.dialling import open_aio_channel
from limedb.tls.target import ClientTls, Target
from limedb.wire.channels import options_for
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc

T = TypeVar("T")

NODE_HEADER = "x-limedb-node"
"""Names the node that Envoy is to route a call to; nodes ignore it."""

ELSEWHERE = (UnavailableError, RequestTimeoutError, UnsupportedError)
"""After these errors of one address the next one may do better."""


class ConsoleCalls:
    """Asks nodes. timeout: seconds for each call. tls: None: without TLS. token: to show; None: there is
    none.

    Every call takes addresses (host:port), and tries one after another until one answers. It raises
    UnavailableError if none does, RequestTimeoutError if the last was too slow, UnsupportedError if the last
    has no such call, and RemoteError if a node answers with an error.
    """

    def __init__(self, timeout: float, tls: ClientTls | None = None, token: Token | None = None) -> None:
        self._timeout, self._tls, self._token = timeout, tls, token
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def gossip(self, node_url: str, addresses: Iterable[str]) -> Gossip:
        """Return the view of the node at node_url by gossip; one of the addresses is its own or Envoy's.
        UnavailableError: only other nodes answered.
        """
        request, meant = cluster_pb2.GetGossipRequest(), ((NODE_HEADER, node_url),)

        async def ask(channel: grpc.aio.Channel) -> Gossip:
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            answer = await stub.GetGossip(request, timeout=self._timeout, metadata=meant)
            if answer.node_url != node_url:
                raise UnavailableError(f"{node_url} can't be reached from here")
            return convert.gossip(answer)

        return await self._first(addresses, ask)

    async def page(self, prefix: str, after: str | None, limit: int, addresses: Iterable[str]) -> KeyPage:
        """Return up to `limit` keys of the whole cluster with a prefix, after the cursor `after`."""
        request = kv_pb2.ScanRequest(prefix=prefix, after=after, limit=limit, page_size=limit, keys_only=True)

        async def ask(channel: grpc.aio.Channel) -> KeyPage:
            entries: list[KeyRow] = []
            cursor = None
            call = kv_pb2_grpc.KVServiceStub(channel).Scan(request, timeout=self._timeout)
            try:
                while isinstance(answer := await whole(call.read()), kv_pb2.ScanResponse):
                    entries += (convert.entry(entry) for entry in answer.entries)
                    cursor = answer.after if answer.HasField("after") else None
            finally:
                call.cancel()
            return KeyPage(tuple(entries), cursor)

        return await self._first(addresses, ask)

    async def owners(self, key: str, addresses: Iterable[str]) -> tuple[Owner, ...]:
        """Return what each owner of a key holds."""
        request = cluster_pb2.LocateKeyRequest(key=key)

        async def ask(channel: grpc.aio.Channel) -> tuple[Owner, ...]:
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            answer = await stub.LocateKey(request, timeout=self._timeout)
            return tuple(convert.owner(owner) for owner in answer.owners)

        return await self._first(addresses, ask)

    async def close(self) -> None:
        """Close all channels."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    async def _first(self, addresses: Iterable[str], ask: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        trouble: LimeDBError = UnavailableError("there is no node to ask")
        for address in dict.fromkeys(addresses):
            try:
                return await ask(self._channel(address))
            except grpc.aio.AioRpcError as error:
                trouble = error_of(address, error, self._timeout)
            except UnavailableError as error:
                trouble = error
            if not isinstance(trouble, ELSEWHERE):
                break
        raise trouble

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            target = Target(address, self._tls, self._token)
            self._channels[address] = open_aio_channel(target, options_for(self._timeout))
        return self._channels[address]
