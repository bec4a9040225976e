"""Links to peers: one persistent channel each.

It owns the channels and their options. It must never know what is sent over them.
"""

import asyncio
from collections.abc import Callable, Sequence

import grpc

from limedb.errors import ReplicaUnreachableError
from limedb.ports import Clock

MAX_MESSAGE = 64 << 20
"""The largest message that nodes accept, in bytes: a batch of clients' values, or a chunk between peers."""

CONNECT_TIMEOUT = 1.0
"""Seconds to wait for a connection to a peer before it counts as unreachable."""

RETRY_SECONDS = 0.3
"""Seconds that a refused connection has for gRPC's next try, before a request on it fails."""

RENEW_SECONDS = 0.5
"""The age at which a link that failed is replaced: gRPC's own retries slow down, those of a name's address
most, and can't be hurried. So a peer that is back is reached by the first request after that time."""

CHANNEL_OPTIONS = (
    (
        "grpc.use_local_subchannel_pool",
        1,
    ),  # a new channel starts anew, and does not share an old one's backoff
    # A peer that restarts is found again within half a second, instead of after gRPC's default backoff.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # A peer that restarts elsewhere keeps its name and changes its IP address: ask for it again as soon, for
    # gRPC does so every 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 500),
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
    """The channel to one peer, `node_url`, at one address (host:port). is_failed: it could not connect.

    is_dropped: another took its place, and its channel is closing.
    """

    def __init__(
        self, node_url: str, address: str, interceptors: Sequence[grpc.aio.ClientInterceptor]
    ) -> None:
        self.node_url, self.address = node_url, address
        self.is_failed = self.is_dropped = False
        self.channel = grpc.aio.insecure_channel(address, CHANNEL_OPTIONS, interceptors=list(interceptors))

    async def wait_ready(self, timeout: float) -> None:
        """Return when the peer is connected; at once, mostly. ReplicaUnreachableError: nothing was sent."""
        try:
            if self.channel.get_state(try_to_connect=True) is not grpc.ChannelConnectivity.READY:
                async with asyncio.timeout(min(timeout, CONNECT_TIMEOUT)):
                    await self._connected()
        except TimeoutError:
            self.is_failed = True
            raise ReplicaUnreachableError(self.node_url, "no connection in time") from None
        except grpc.aio.UsageError:  # the channel was closed meanwhile
            self.is_dropped = True
        if self.is_dropped:
            raise ReplicaUnreachableError(self.node_url, "the link was renewed meanwhile")
        self.is_failed = False

    async def _connected(self) -> None:
        while (state := self.channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                await self._retried()
            else:
                await self.channel.wait_for_state_change(state)

    async def _retried(self) -> None:
        """Give a connection that was refused one more try: the peer may be starting just now."""
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await self.channel.wait_for_state_change(grpc.ChannelConnectivity.TRANSIENT_FAILURE)
        except TimeoutError:
            self.is_failed = True
            raise ReplicaUnreachableError(self.node_url, "connection refused or lost") from None


class PeerLinks:
    """The links of a node, made at first use and kept.

    address_of: host:port of a peer's URL, as gossip has it. A peer that moved gets a new link, and so does
    one that could not be reached, after RENEW_SECONDS.
    """

    def __init__(
        self,
        address_of: Callable[[str], str],
        clock: Clock,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        self._address_of, self._clock, self._interceptors = address_of, clock, interceptors
        self._links: dict[str, PeerLink] = {}
        self._made: dict[str, float] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def to(self, node_url: str) -> PeerLink:
        """The link to a peer. It costs no I/O."""
        address = self._address_of(node_url)
        link = self._links.get(node_url)
        if link is None:
            return self._make(node_url, address)
        if link.address != address or (link.is_failed and self._is_old(node_url)):
            self._drop(link)
            return self._make(node_url, address)
        return link

    async def close(self) -> None:
        """Close all channels; calls under way on them end."""
        for link in self._links.values():
            await link.channel.close()
        self._links.clear()
        await asyncio.gather(*self._closing)

    def _make(self, node_url: str, address: str) -> PeerLink:
        link = self._links[node_url] = PeerLink(node_url, address, self._interceptors)
        self._made[node_url] = self._clock.monotonic()
        return link

    def _is_old(self, node_url: str) -> bool:
        return self._clock.monotonic() - self._made[node_url] >= RENEW_SECONDS

    def _drop(self, link: PeerLink) -> None:
        """Close a channel aside, once the calls on it had their time; `close` waits for it."""
        link.is_dropped = True
        task = asyncio.get_running_loop().create_task(link.channel.close(CONNECT_TIMEOUT))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
