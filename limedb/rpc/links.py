"""Links to peers: one persistent channel each.

It owns the channels and their options. It must never know what is sent over them.
"""

import asyncio
from collections.abc import Callable, Sequence

import grpc

from limedb.errors import OwnerUnreachableError

MAX_MESSAGE = 64 << 20
"""The largest message that nodes accept, in bytes: a batch of clients' values, or a chunk between peers."""

CONNECT_TIMEOUT = 1.0
"""Seconds to wait for a connection to a peer before it counts as unreachable."""

CHANNEL_OPTIONS = (
    # A peer that restarts is found again within half a second, instead of after gRPC's default backoff.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # A peer that vanished without a FIN is noticed by pings, also while nothing is asked of it.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.enable_http_proxy", 0),
)


class PeerLink:
    """The channel to one peer, `node_url`, at one address (host:port)."""

    def __init__(
        self, node_url: str, address: str, interceptors: Sequence[grpc.aio.ClientInterceptor]
    ) -> None:
        self.node_url, self.address = node_url, address
        self.channel = grpc.aio.insecure_channel(address, CHANNEL_OPTIONS, interceptors=list(interceptors))

    async def wait_ready(self, timeout: float) -> None:
        """Return when the peer is connected; at once, mostly. OwnerUnreachableError: nothing was sent."""
        if self.channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return
        limit = min(timeout, CONNECT_TIMEOUT)
        try:
            async with asyncio.timeout(limit):
                await self._connected()
        except TimeoutError:
            raise OwnerUnreachableError(self.node_url, f"no connection within {limit:.3g} s") from None

    async def _connected(self) -> None:
        while (state := self.channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if state in (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN):
                raise OwnerUnreachableError(self.node_url, "connection refused or lost")
            await self.channel.wait_for_state_change(state)


class PeerLinks:
    """The links of a node, made at first use and kept.

    address_of: host:port of a peer's URL, as gossip has it; a peer that moved gets a new link.
    """

    def __init__(
        self, address_of: Callable[[str], str], interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
    ) -> None:
        self._address_of, self._interceptors = address_of, interceptors
        self._links: dict[str, PeerLink] = {}
        self._outdated: list[PeerLink] = []

    def to(self, node_url: str) -> PeerLink:
        """The link to a peer. It costs no I/O."""
        address = self._address_of(node_url)
        link = self._links.get(node_url)
        if link is None or link.address != address:
            if link is not None:
                self._outdated.append(link)
            link = self._links[node_url] = PeerLink(node_url, address, self._interceptors)
        return link

    async def close(self) -> None:
        """Close all channels; calls under way on them end."""
        for link in (*self._links.values(), *self._outdated):
            await link.channel.close()
        self._links.clear()
        self._outdated.clear()
