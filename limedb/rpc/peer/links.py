"""Links to peers: one persistent channel each, and one stream on it.

It owns the channels and their options, and replaces a channel whose peer can't be reached, and a stream that
has closed. It must never know the messages on them, except for the ping.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar, cast

import grpc

from limedb.access.peer_secret import HEADER as PROOF
from limedb.access.peer_secret import PeerSecret
from limedb.aio.running_time import timeout as attended
from limedb.errors import ReplicaUnreachableError
from limedb.ports import CallTracing, Clock
from limedb.rpc.addressee import AddressedChannel
from limedb.rpc.peer.dialling import Dialling, InTheClear
from limedb.rpc.peer.stream import PeerStream
from limedb.rpc.peer.watchdog import Call, Watchdog
from limedbpb.v1 import topology_pb2, topology_pb2_grpc

S = TypeVar("S")

CONNECT_SECONDS = 0.75
"""Seconds that a connection to a nearby peer may take before the peer counts as unreachable."""

FIRST_CONNECT_SECONDS = 3.0
"""The same, while the distance is unknown."""

RETRY_SECONDS = 0.3
"""Seconds for gRPC's next try after a refused connection, before a request on it fails."""

CLOSE_SECONDS = 1.0
"""Seconds that calls on a channel have to end when another channel replaces it."""

NO_ANSWER = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
)
"""The codes of a ping without an answer. A peer that doesn't know the method is alive, too."""


class PeerLink:
    """The link to one peer, `node_url`, at one address (host:port).

    trouble: why the peer counts as unreachable, empty while it doesn't: the connection failed, or the peer
    gave no sign of life while it owed an answer. Until the next sign of life, requests fail at once.
    """

    def __init__(
        self,
        node_url: str,
        address: str,
        clock: Clock,
        tracing: CallTracing | None = None,
        dialling: Dialling | None = None,
        secret: PeerSecret | None = None,
    ) -> None:
        self._secret = secret
        self.node_url, self.address = node_url, address
        self._tracing = tracing
        self._dialling = dialling or InTheClear()
        self._clock, self._watchdog = clock, Watchdog(clock, self._ping, self._renew)
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._stream: PeerStream | None = None
        self._open()

    @property
    def trouble(self) -> str:
        """Why the peer counts as unreachable; empty while it doesn't."""
        if self._watchdog.trouble:
            self._watchdog.want()
        return self._watchdog.trouble

    @property
    def is_reachable(self) -> bool:
        """Whether a request has a chance: a link that was never used has one. The question starts a
        connection, so if the peer died on an idle link, the next question shows it.
        """
        if self.trouble or self._is_closed:
            return False
        if self._stream is not None and not self._stream.trouble:
            return True
        if self._channel.get_state(try_to_connect=True) is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            return True
        self.doubt("connection refused or lost")
        return False

    def stub(self, kind: Callable[[grpc.aio.Channel], S]) -> S:
        """The stub of a service on the present channel."""
        stubs, channel = (
            (self._traced_stubs, self._traced) if self.is_traced else (self._stubs, self._addressed)
        )
        stub = stubs.get(kind)
        if stub is None:
            stub = stubs[kind] = kind(channel)
        return cast("S", stub)

    @property
    def is_traced(self) -> bool:
        """Whether the running request has a span, so that its calls to the peer have theirs."""
        return self._tracing is not None and self._tracing.is_sampled

    async def stream(self, timeout: float) -> PeerStream:
        """The stream, a new one if it has ended; usually at once. ReplicaUnreachableError: not connected
        within `timeout` seconds.
        """
        stream = self._stream
        if stream is None or stream.trouble or self._watchdog.trouble:
            await self.wait_ready(timeout)
            stream = self._stream  # another request may have started one meanwhile
        if stream is None or stream.trouble:
            call = self.stub(_carry)()
            stream = PeerStream(self.node_url, call, self._clock, self._watchdog, self.doubt)
            self._stream = stream
        return stream

    def begin(self, call: Call) -> None:
        """Watch a call: it is cancelled when the peer gives no sign of life."""
        self._watchdog.begin(call)

    def end(self, call: Call, answered: bool, is_quick: bool = False) -> None:
        """Stop watching a call. answered: the peer gave an answer, of any kind. is_quick: see
        Watchdog.end.
        """
        self._watchdog.end(call, answered, is_quick)

    def allow(self, seconds: float) -> float:
        """How long to wait for an answer that may take the peer `seconds`: the way there and back is
        added.
        """
        return seconds + self._watchdog.trips.expected

    def doubt(self, reason: str) -> None:
        """Take the peer to be unreachable until it gives a sign of life."""
        self._watchdog.doubt(reason)

    async def wait_ready(self, timeout: float = float("inf")) -> None:
        """Return when the peer is connected; usually at once. ReplicaUnreachableError: it isn't within
        `timeout` seconds, or within the time that a connection to it may take; nothing was sent.
        """
        if trouble := self.trouble:
            raise ReplicaUnreachableError(self.node_url, trouble)
        channel, patience = self._channel, self._connect_patience
        try:
            if channel.get_state(try_to_connect=True) is not grpc.ChannelConnectivity.READY:
                async with attended(self._clock, min(timeout, patience)):
                    await self._connected(channel)
        except TimeoutError:
            if timeout >= patience:  # otherwise only the caller had too little time
                self.doubt(f"no connection within {patience:.3g} s")
            raise ReplicaUnreachableError(
                self.node_url, f"no connection within {min(timeout, patience):.3g} s"
            ) from None
        except grpc.aio.UsageError:  # the channel was closed meanwhile
            raise ReplicaUnreachableError(self.node_url, "the link was renewed meanwhile") from None
        if channel is not self._channel or self._is_closed:
            raise ReplicaUnreachableError(self.node_url, self.trouble or "the link was renewed meanwhile")

    async def close(self) -> None:
        """Close the channel; calls on it end."""
        self._is_closed = True
        await self._watchdog.close()
        if self._stream is not None:
            await self._stream.close()
        await self._channel.close(None)
        await asyncio.gather(*self._closing)

    @property
    def _connect_patience(self) -> float:
        trips = self._watchdog.trips
        return max(CONNECT_SECONDS, trips.fresh_patience) if trips.is_known else FIRST_CONNECT_SECONDS

    async def _connected(self, channel: grpc.aio.Channel) -> None:
        while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                await self._retried(channel)
            else:
                await channel.wait_for_state_change(state)

    async def _retried(self, channel: grpc.aio.Channel) -> None:
        """Give a refused connection one more try: the peer may be starting just now."""
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await channel.wait_for_state_change(grpc.ChannelConnectivity.TRANSIENT_FAILURE)
        except TimeoutError:
            reason = await self._dialling.why(self.node_url, self.address) or "connection refused or lost"
            self.doubt(reason)
            raise ReplicaUnreachableError(self.node_url, reason) from None

    def renew(self, is_revoked: Callable[[bytes], bool]) -> None:
        """As that of PeerLinks."""
        if self._shown != self._dialling.shown and is_revoked(self._shown) and not self._is_closed:
            self._renew()

    def _open(self) -> None:
        self._shown = self._dialling.shown
        self._channel = self._dialling.open(self.node_url, self.address)
        self._addressed = self._traced = self._to_peer(self._channel)
        if self._tracing is not None:
            self._traced = self._to_peer(self._tracing.calling(self._channel))
        self._stubs: dict[object, object] = {}
        self._traced_stubs: dict[object, object] = {}
        self._stream = None

    def _to_peer(self, channel: grpc.aio.Channel) -> grpc.aio.Channel:
        own = self._secret
        proof = ((PROOF, own.proof(self.node_url.encode())),) if own else ()
        addressed = AddressedChannel(channel, self.node_url, (*self._dialling.metadata, *proof))
        return cast("grpc.aio.Channel", addressed)

    def _renew(self) -> None:
        """Replace the channel by a new one, and close the old one in the background; `close` waits
        for that.
        """
        task = asyncio.get_running_loop().create_task(self._close_channel(self._channel, self._stream))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self._open()

    @staticmethod
    async def _close_channel(channel: grpc.aio.Channel, stream: PeerStream | None) -> None:
        if stream is not None:
            await stream.close()
        await channel.close(CLOSE_SECONDS)

    async def _ping(self, timeout: float) -> bool:
        """Whether the peer gave a sign of life in time."""
        ping = self.stub(_topology_stub).Ping(
            topology_pb2.PingRequest(), timeout=timeout, wait_for_ready=True
        )
        try:
            await ping
        except grpc.aio.AioRpcError as error:
            return error.code() not in NO_ANSWER
        return True


def _topology_stub(channel: grpc.aio.Channel) -> "topology_pb2_grpc.TopologyServiceAsyncStub":
    return topology_pb2_grpc.TopologyServiceStub(channel)


def _carry(channel: grpc.aio.Channel) -> "grpc.aio.StreamStreamMultiCallable[bytes, bytes]":
    return channel.stream_stream("/limedb.v1.ReplicaService/Carry")  # of bytes: no serializers


class PeerLinks:
    """The links of a node, made at first use and kept.

    address_of: host:port of a peer's URL, by gossip. A peer that moved gets a new link. dialling: opens
    channels; None: without TLS. secret: by which this node proves that it belongs to the cluster; None: it
    has none.
    """

    def __init__(
        self,
        address_of: Callable[[str], str],
        clock: Clock,
        tracing: CallTracing | None = None,
        dialling: Dialling | None = None,
        secret: PeerSecret | None = None,
    ) -> None:
        self._secret = secret
        self._address_of, self._clock, self._tracing = address_of, clock, tracing
        self._dialling = dialling
        self._links: dict[str, PeerLink] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def to(self, node_url: str) -> PeerLink:
        """The link to a peer. It costs no I/O."""
        address = self._address_of(node_url)
        link = self._links.get(node_url)
        if link is None or link.address != address:
            if link is not None:
                self._drop(link)
            link = self._links[node_url] = self.aside(node_url, address)
        return link

    def aside(self, node_url: str, address: str) -> PeerLink:
        """A link to an address, which the caller closes."""
        return PeerLink(node_url, address, self._clock, self._tracing, self._dialling, self._secret)

    def renew(self, is_revoked: Callable[[bytes], bool]) -> None:
        """Open links again that show a revoked certificate (PEM), if this node has another one by now: peers
        refuse all calls on them.
        """
        for link in self._links.values():
            link.renew(is_revoked)

    async def close(self) -> None:
        """Close all links; calls under way on them end."""
        links, self._links = list(self._links.values()), {}
        await asyncio.gather(*(link.close() for link in links), *self._closing)

    def _drop(self, link: PeerLink) -> None:
        """Close a link in the background; `close` waits for that."""
        task = asyncio.get_running_loop().create_task(link.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
