"""What a console asks of nodes, on its event loop: gossip of one node, pages of keys, owners of a key.

It owns the channels to the nodes that it asks, and the errors of calls on them. It must never write, nor ask
anything by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import grpc

from limedb.aio.whole_reads import whole
from limedb.errors import LimeDBError, RequestTimeoutError, UnavailableError
from limedb.operator import console_convert as convert
from limedb.operator.console_values import Gossip, KeyPage, KeyRow, Owner
from limedb.wire import status
from limedb.wire.channels import options_for
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc

T = TypeVar("T")

NODE_HEADER = "x-limedb-node"
"""Tells Envoy which node is meant; a node takes no notice of it."""


class ConsoleCalls:
    """Asks nodes. timeout: seconds for each call.

    Every call takes addresses (host:port), which are tried one after the other until one answers. It raises
    UnavailableError when none does, RequestTimeoutError when the last was too slow, and RemoteError when a
    node answered with an error.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def gossip(self, node_url: str, addresses: Iterable[str]) -> Gossip:
        """What the node of node_url has heard: asked at one of the addresses, which is its own or Envoy's.
        UnavailableError: only others answered.
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
        """Up to `limit` keys with a prefix, of all of the cluster, behind the cursor `after`."""
        request = kv_pb2.ScanRequest(prefix=prefix, after=after, limit=limit, page_size=limit, keys_only=True)

        async def ask(channel: grpc.aio.Channel) -> KeyPage:
            entries: list[KeyRow] = []
            cursor = None
            call = kv_pb2_grpc.KVServiceStub(channel).Scan(request, timeout=self._timeout)
            try:
                while isinstance(told := await whole(call.read()), kv_pb2.ScanResponse):
                    entries += (convert.entry(entry) for entry in told.entries)
                    cursor = told.after if told.HasField("after") else None
            finally:
                call.cancel()
            return KeyPage(tuple(entries), cursor)

        return await self._first(addresses, ask)

    async def owners(self, key: str, addresses: Iterable[str]) -> tuple[Owner, ...]:
        """What each owner of a key holds."""
        request = cluster_pb2.LocateKeyRequest(key=key)

        async def ask(channel: grpc.aio.Channel) -> tuple[Owner, ...]:
            stub = cluster_pb2_grpc.ClusterServiceStub(channel)
            answer = await stub.LocateKey(request, timeout=self._timeout)
            return tuple(convert.owner(owner) for owner in answer.owners)

        return await self._first(addresses, ask)

    async def close(self) -> None:
        """End all."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    async def _first(self, addresses: Iterable[str], ask: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        trouble: LimeDBError = UnavailableError("there is no node to ask")
        for address in dict.fromkeys(addresses):
            try:
                return await ask(self._channel(address))
            except grpc.aio.AioRpcError as error:
                trouble = _error_of(address, error, self._timeout)
            except UnavailableError as error:
                trouble = error
            if not isinstance(trouble, UnavailableError | RequestTimeoutError):
                break
        raise trouble

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            self._channels[address] = grpc.aio.insecure_channel(address, options_for(self._timeout))
        return self._channels[address]


def _error_of(address: str, error: grpc.aio.AioRpcError, timeout: float) -> LimeDBError:
    if (told := status.remote_error(address, error)) is not None:
        return told
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return RequestTimeoutError(timeout, address)
    return UnavailableError(f"nothing answers at {address} ({error.code().name})")
