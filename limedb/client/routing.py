"""The way of a key's calls: to a replica that is up, else to any node, else through the addresses given.

It owns the nodes that the client knows, and follows the cluster's members. It must never send a call.
"""

import asyncio
import random
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import grpc

from limedb.aio.retrying import Budget, Pauses
from limedb.aio.whole_reads import whole
from limedb.client.asked_cluster import AskedCluster
from limedb.client.denials import another
from limedb.client.node_connection import PATIENT_PING_SECONDS, PING_SECONDS, NodeConnection
from limedb.core.layout import Layout
from limedb.core.node_urls import address_of
from limedb.core.topology import Member, MemberState, Phase, Topology
from limedb.errors import (
    InvalidRequestError,
    LimeDBError,
    TokenFunctionError,
    UnauthenticatedError,
    UnavailableError,
    WrongClusterError,
)
from limedb.tls.bearer import Token
from limedb.tls.diagnosis import why
from limedb.tls.target import ClientTls, Target
from limedb.wire.cluster_header import Metadata
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc

Follow = bool | Literal["auto"]

WATCH_MS = 5000
"""The time between two reports of a cluster in which nothing changes."""
WATCH_SILENCE_SECONDS = 3 * WATCH_MS / 1000
"""After this much silence the client asks another node."""
DIRECT_SECONDS = 0.5
"""How long `open` waits for nodes that may be reachable directly."""
FIRST_WATCH_SECONDS = 0.2
"""The first pause, roughly, before the client follows the cluster again; pauses grow while nothing comes."""
SESSIONS_DIRECT, SESSIONS_SEED = 1, 3
"""Sessions with a node, and through an address that was given: a proxy spreads them over nodes."""


def follow_of(follow_ring: object) -> Follow:
    """Return how to follow the ring. InvalidRequestError: there is no such way."""
    if isinstance(follow_ring, bool):
        return follow_ring
    if follow_ring == "auto":
        return "auto"
    raise InvalidRequestError(f"follow_ring={follow_ring!r}: must be True, False or 'auto'")


class Routing:
    """The ways into a cluster. addresses: where to begin; follow, patient: see `connect`. A patient client
    also gives a busy node more time before it sends that node's unanswered calls elsewhere. cluster_id: the
    cluster's; empty: that of the first node that answers. Nodes of another one get no calls. token: to show;
    None: there is none.
    """

    def __init__(
        self,
        addresses: Iterable[str],
        follow: Follow,
        patient: bool = False,
        cluster_id: str = "",
        tls: ClientTls | None = None,
        token: Token | None = None,
    ) -> None:
        self._tls, self._token = tls, token
        self._cluster, self._is_named = AskedCluster(cluster_id), bool(cluster_id)
        self._follow, self._ping = follow, PATIENT_PING_SECONDS if patient else PING_SECONDS
        self._loop = asyncio.get_running_loop()
        self._change: asyncio.Future[None] = self._loop.create_future()
        self.budget = Budget()
        self._seeds = {a: self._node(a, SESSIONS_SEED) for a in addresses}
        self._members: dict[str, NodeConnection] = {}
        self._layout: Layout | None = None
        self._chosen: dict[tuple[str, ...], NodeConnection] = {}
        self._left: list[NodeConnection] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    async def start(self, deadline: float, waits: bool = False) -> None:
        """Return once calls have a way. UnavailableError: each address has refused, or none has answered by
        the deadline; its WrongClusterError: they lead to another cluster. UnauthenticatedError: they don't
        know this client. InvalidRequestError: they lead to several clusters, and none was named. waits: a
        refusal is no answer, as while the cluster starts.
        """
        while not any(node.is_up for node in self._seeds.values()):
            denied = self._denied()
            is_over = self._is_misled() or denied is not None if waits else self._all_refused()
            if is_over or self._is_closed or not await self._wait_change(deadline):
                raise self._misled() or denied or await self._no_answer()
        await self._wait_pinged(self._seeds, min(deadline, self._loop.time() + DIRECT_SECONDS))
        if not self._is_named and (misled := self._misled()) is not None:
            raise InvalidRequestError(
                f"the addresses lead to two clusters, {self._cluster.id} and {misled.cluster_id}: leave one"
                " of them out, or name one with cluster_id"
            )
        if self._follow is not False:
            self._task = self._loop.create_task(self._watch())
            some = deadline if self._follow is True else self._loop.time() + DIRECT_SECONDS
            await self._wait_direct(min(deadline, some))
        if self._follow is True and not self._direct():
            raise UnavailableError("no node can be reached at its own address, as follow_ring=True asks")

    def pick(self, key: str, avoid: Collection[NodeConnection] = ()) -> NodeConnection | None:
        """Return the node for a key's call; None: no node is up that need not be avoided."""
        if self._layout is not None:
            owners = self._layout.of_key(key).natural
            node = self._chosen.get(owners)
            if node is not None and not avoid:
                return node
            node = self._first(owners, avoid)
            if node is not None:
                if not avoid:
                    self._chosen[owners] = node
                return node
        return self.any(avoid)

    async def wait_way(self, deadline: float) -> bool:
        """Wait until there is a way; return whether there is one by the deadline (seconds of the loop's
        clock). It waits no longer once all addresses have led to another cluster meanwhile.
        """
        before = {node: node.pings_misled for node in self._seeds.values()}
        while self.any(()) is None:
            is_misled = all(node.pings_misled > known for node, known in before.items())
            if self._is_closed or is_misled or not await self._wait_change(deadline):
                return False
        return True

    @property
    def metadata(self) -> Metadata:
        """The metadata of calls, which names the cluster."""
        return self._cluster.metadata

    async def _no_answer(self) -> UnavailableError:
        for address in self._seeds:
            if reason := await asyncio.to_thread(why, Target(address, self._tls)):
                return UnavailableError(f"{address}: {reason}; tls_ca, tls_cert and tls_key name the files")
        return UnavailableError(f"no node answers: {self.trouble()}; is a node or Envoy running there?")

    def no_way(self) -> LimeDBError:
        """Return the error of a call that has no way: a WrongClusterError if all addresses lead to another
        cluster, such as a new one in the place of the old; UnauthenticatedError if none knows this client any
        longer.
        """
        if not self._is_closed and (denied := self._denied()) is not None:
            return another(denied)
        misled = self._misled()
        if not self._is_closed and misled is not None and self._is_misled():
            return WrongClusterError(misled.node_url, misled.cluster_id, misled.asked)
        return UnavailableError(f"no node answers: {self.trouble()}")

    def trouble(self) -> str:
        """Return why there is no way."""
        if self._is_closed:
            return "the client is closed"
        down = [node for node in (*self._seeds.values(), *self._members.values()) if not node.is_up]
        return "; ".join(f"{node.address}: {node.reason}" for node in down)

    async def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(node.close() for node in self.connections()), *self._closing)

    def connections(self) -> tuple[NodeConnection, ...]:
        """All connections that are open."""
        return (*self._seeds.values(), *self._members.values(), *self._left)

    def _node(self, address: str, sessions: int) -> NodeConnection:
        target = Target(address, self._tls, self._token)
        return NodeConnection(target, sessions, self._changed, self.budget, self._cluster, self._ping)

    # --- choosing

    def _first(self, urls: Iterable[str], avoid: Collection[NodeConnection]) -> NodeConnection | None:
        for url in urls:
            node = self._members.get(url)
            if node is not None and node.is_up and node.url == url and node not in avoid:
                return node
        return None

    def any(self, avoid: Collection[NodeConnection] = ()) -> NodeConnection | None:
        """Return any way into the cluster; None: there is none that need not be avoided."""
        direct = [node for node in self._direct() if node not in avoid]
        if direct:
            return random.choice(direct)
        urls = {node.url for node in avoid}  # another way to the same node is not another node
        seeds = [node for node in self._seeds.values() if node.is_up and node.url not in urls]
        return random.choice(seeds) if seeds else None

    def _direct(self) -> list[NodeConnection]:
        return [node for url, node in self._members.items() if node.is_up and node.url == url]

    def _changed(self) -> None:
        self._chosen.clear()
        if not self._change.done():
            self._change.set_result(None)

    async def _wait_change(self, deadline: float) -> bool:
        """Wait for a change; return whether there was one by the deadline."""
        if self._change.done():
            self._change = self._loop.create_future()
        done, _ = await asyncio.wait((self._change,), timeout=max(0.0, deadline - self._loop.time()))
        return bool(done)

    def _all_refused(self) -> bool:
        return all(
            not node.is_up and (node.has_refused or node.misled is not None or node.denied is not None)
            for node in self._seeds.values()
        )

    def _denied(self) -> UnauthenticatedError | None:
        """Return why this client isn't known, if no address is up and one of them reports that."""
        seeds = self._seeds.values()
        if any(node.is_up for node in seeds):
            return None
        return next((node.denied for node in seeds if node.denied is not None), None)

    def _is_misled(self) -> bool:
        return all(not node.is_up and node.misled is not None for node in self._seeds.values())

    def _misled(self) -> WrongClusterError | None:
        """Return why an address doesn't count that leads to another cluster; None: there is none."""
        return next((node.misled for node in self._seeds.values() if node.misled is not None), None)

    async def _wait_direct(self, deadline: float) -> None:
        """Wait until each member has been reached or has refused once."""
        while self._layout is None:
            if not await self._wait_change(deadline):
                return
        await self._wait_pinged(self._members, deadline)

    async def _wait_pinged(self, nodes: Mapping[str, NodeConnection], deadline: float) -> None:
        while not all(node.is_up or node.pings_failed for node in nodes.values()):
            if not await self._wait_change(deadline):
                return

    # --- following

    async def _watch(self) -> None:
        """Follow the cluster, through whichever node is up."""
        pauses = Pauses(first=FIRST_WATCH_SECONDS)
        while True:
            node = self.any(())
            if node is not None and await self._watch_through(node):
                pauses.begin_anew()
            await asyncio.sleep(pauses.pause())

    async def _watch_through(self, node: NodeConnection) -> bool:
        """Follow the cluster through a node to the end of the stream; return whether anything came."""
        came = False
        stub = cluster_pb2_grpc.ClusterServiceStub(node.channel)
        try:
            call = stub.WatchCluster(cluster_pb2.WatchClusterRequest(interval_ms=WATCH_MS))
        except TokenFunctionError:  # calls report it
            return False
        try:
            while True:
                async with asyncio.timeout(WATCH_SILENCE_SECONDS):
                    response = await whole(call.read())
                if not isinstance(response, cluster_pb2.WatchClusterResponse):
                    return came
                if (misled := self._cluster.misfit(node.url, response.cluster_id)) is not None:
                    node.suspect(str(misled))
                    return came
                self._adopt(response)
                came = True
        except (grpc.aio.AioRpcError, TimeoutError):
            return came
        finally:
            call.cancel()

    def _adopt(self, response: cluster_pb2.WatchClusterResponse) -> None:
        """Adopt the cluster that a node reports, unless it is older than the known one."""
        known = self._layout.topology if self._layout else Topology()
        if not response.epoch or response.epoch < known.epoch:
            return
        members = [node for node in response.nodes if node.standing]
        self._follow_addresses({node.url: node.address or address_of(node.url) for node in members})
        if response.epoch != known.epoch:
            self._layout = Layout(_topology(response, members))
        self._changed()

    def _follow_addresses(self, addresses: dict[str, str]) -> None:
        """Keep a connection to each member, at its address; close the others once they are idle."""
        for url, node in list(self._members.items()):
            if addresses.get(url) != node.address:
                self._left.append(self._members.pop(url))
        for url, address in addresses.items():
            if url not in self._members:
                self._members[url] = self._node(address, SESSIONS_DIRECT)
        for node in [node for node in self._left if node.is_idle]:
            self._left.remove(node)
            task = self._loop.create_task(node.close("it left the cluster"))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _topology(
    response: cluster_pb2.WatchClusterResponse, members: Iterable[cluster_pb2.ClusterNode]
) -> Topology:
    return Topology(
        response.cluster_id,
        response.epoch,
        response.replication_factor,
        tuple(
            Member(node.node_id, node.url, node.zone, node.virtual_nodes, MemberState(node.standing))
            for node in sorted(members, key=lambda node: node.node_id)
        ),
        Phase(response.phase),
    )
