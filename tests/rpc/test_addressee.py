"""A call that is meant for another node: nothing of it is done, and that node counts as unreachable."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest

from limedb.core.paxos import Ballot
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.core.topology import Topology
from limedb.errors import LimeDBError, OutcomeUnknownError, ReplicaUnreachableError
from limedb.rpc.peer.links import PeerLinks
from limedb.rpc.peer.remote_replica import BIG_BYTES, RemoteReplica
from limedb.rpc.peer.remote_topology import RemoteTopology
from limedb.wire.topology import fence_message
from limedbpb.v1 import replica_pb2, replica_pb2_grpc
from tests.rpc.peer.test_links import FENCE, links_to, replica_at, soon, wait_reachable
from tests.rpc.peers import URL, FakeReplica, servicers, serving
from tests.support.ports import free_port

OTHER = "http://other:1"
SMALL, LARGE = Record("k", "v", 1), Record("k", "v" * (BIG_BYTES + 1), 1)


class Keeper:
    """A node's part in agreeing, that notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def learn(self, topology: Topology) -> Topology:
        self.asked.append(topology)
        return topology

    async def pledge(self, founder: str) -> str:
        self.asked.append(founder)
        return founder

    async def prepare(self, before: Topology, ballot: Ballot) -> Topology:
        self.asked.append(ballot)
        return before


@asynccontextmanager
async def peer_called(name: str) -> AsyncIterator[tuple[FakeReplica, Keeper, PeerLinks, str]]:
    """A node of some name, and links on which it is taken for the node at URL."""
    replica, keeper = FakeReplica(), Keeper()
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        async with serving(address, *servicers(replica, keeper), name=name), links_to(address) as links:
            yield replica, keeper, links, address


async def watched(replica: RemoteReplica) -> None:
    async for _ in replica.watch(WatchFilter(), None, FENCE):
        return


ASKED: dict[str, Callable[[PeerLinks], Awaitable[object]]] = {
    "read": lambda links: replica_at(links).read(["k"], FENCE, soon()),
    "write": lambda links: replica_at(links).apply([SMALL], FENCE, soon()),
    "a write of its own": lambda links: replica_at(links).apply([LARGE], FENCE, soon()),
    "digests": lambda links: replica_at(links).digests([], 0, FENCE, soon()),
    "watch": lambda links: watched(replica_at(links)),
    "vote": lambda links: RemoteTopology(links).prepare(URL, Topology(), Ballot(1, "p"), 5.0),
    "topology": lambda links: RemoteTopology(links).learn(URL, Topology(), 5.0),
    "pledge": lambda links: RemoteTopology(links).pledge(URL, "http://a:1", 5.0),
}


@pytest.mark.parametrize("what", ASKED)
async def test_a_node_does_nothing_that_is_meant_for_another(what: str) -> None:
    async with peer_called(OTHER) as (replica, keeper, links, _):
        with pytest.raises((ReplicaUnreachableError, OutcomeUnknownError), match="another node"):
            await ASKED[what](links)
        assert not replica.asked
        assert not keeper.asked


@pytest.mark.parametrize("what", ASKED)
async def test_a_node_does_what_is_meant_for_it(what: str) -> None:
    async with peer_called(URL) as (replica, keeper, links, _):
        await ASKED[what](links)
        assert replica.asked or keeper.asked


async def test_a_caller_of_an_older_version_names_nobody_and_is_served() -> None:
    async with peer_called(OTHER) as (replica, _, _, address), grpc.aio.insecure_channel(address) as channel:
        await replica_pb2_grpc.ReplicaServiceStub(channel).Read(
            replica_pb2.ReadRequest(keys=["k"], fence=fence_message(FENCE))
        )
        assert replica.asked


async def test_a_node_is_unreachable_for_as_long_as_its_address_leads_to_another() -> None:
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        async with links_to(address) as links:
            async with serving(address, *servicers(FakeReplica()), name=OTHER):
                with pytest.raises(LimeDBError):
                    await replica_at(links).read(["k"], FENCE, soon())
                started = time.monotonic()
                while "tries" not in (trouble := links.to(URL).trouble):
                    assert time.monotonic() - started < 10
                    await asyncio.sleep(0.01)  # between two looks
                assert "another node answers at its address" in trouble
            async with serving(address, *servicers(FakeReplica()), name=URL):
                await wait_reachable(links)
                assert await replica_at(links).read(["k"], FENCE, soon()) == [None]
