"""A node dials another, whose certificate must be that of the node which it means.

Tests limedb/rpc/caller.py too; tests/tls/test_peer_rules.py has the other direction.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from limedb.errors import LimeDBError, ReplicaUnreachableError
from limedb.node.clock import SystemClock
from limedb.rpc.caller import check_caller
from limedb.rpc.peer.dialling import MutualTls, peer_address
from limedb.rpc.peer.links import PeerLinks
from limedb.rpc.server.server import Listener
from limedb.tls.authority import Holder
from limedb.tls.serving import server_credentials
from limedb.tls.target import ClientTls
from limedbpb.v1 import topology_pb2, topology_pb2_grpc
from tests.rpc.peers import FakeReplica, new_server, servicers
from tests.support.certificates import Kept, Pki
from tests.support.ports import free_ports

OWN, PEER, OTHER = "http://localhost:1", "http://localhost:2", "http://localhost:3"
SECONDS = 5.0


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


@asynccontextmanager
async def peer(tls: ClientTls | None, port: int) -> AsyncIterator[str]:
    """The address at which a node's clients would reach it; its peers do at the next port. tls: its files;
    None: in the clear.
    """
    server = new_server(*servicers(FakeReplica()), check=check_caller if tls else None)
    credentials = server_credentials(Kept(tls), True) if tls else None
    await server.start([Listener(f"127.0.0.1:{port + 1}", credentials)])
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0.1)


@asynccontextmanager
async def links_to(address: str, tls: ClientTls, keys: Kept) -> AsyncIterator[PeerLinks]:
    links = PeerLinks(lambda _: address, SystemClock(), dialling=MutualTls(keys, tls, OWN, 1))
    try:
        yield links
    finally:
        await links.close()


async def ping(links: PeerLinks) -> None:
    link = links.to(PEER)
    await link.wait_ready(SECONDS)
    stub = link.stub(topology_pb2_grpc.TopologyServiceStub)
    await stub.Ping(topology_pb2.PingRequest(), timeout=SECONDS)


async def test_two_nodes_prove_themselves_to_each_other(pki: Pki) -> None:
    own = pki.node(OWN)
    with free_ports(2) as (port, _):
        async with peer(pki.node(PEER), port) as address, links_to(address, own, Kept(own)) as links:
            await ping(links)
            assert links.to(PEER).is_reachable


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ("another node's", "mismatch"),
        ("a proxy's", "mismatch"),
        ("of another CA", "unable to get local issuer"),
        ("expired", "expired"),
        ("none", "it doesn't speak TLS"),
    ],
)
async def test_a_node_calls_nobody_else_and_says_why(
    shown: str, words: str, pki: Pki, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        "another node's": pki.node(OTHER),
        "a proxy's": pki.files(Holder("server", "proxy", ("localhost", "127.0.0.1")), "proxy"),
        "of another CA": Pki(tmp_path / "other", "another CA").node(PEER),
        "expired": pki.expired(PEER),
        "none": None,
    }[shown]
    own = pki.node(OWN)
    with free_ports(2) as (port, _):
        async with peer(files, port) as address, links_to(address, own, Kept(own)) as links:
            with pytest.raises(ReplicaUnreachableError, match=words):
                await ping(links)
            assert not links.to(PEER).is_reachable
            logged = [line for line in caplog.messages if PEER in line]
            assert len(logged) == 1
            assert words in logged[0]


async def test_a_link_comes_back_with_a_new_certificate(pki: Pki, tmp_path: Path) -> None:
    own, keys, newer = pki.node(OWN), Kept(pki.node(OWN)), Pki(tmp_path / "newer", "newer CA")
    with free_ports(2) as (port, _):
        async with links_to(f"127.0.0.1:{port}", own, keys) as links:
            async with peer(pki.node(PEER), port):
                await ping(links)
                keys.replace(newer.node(OWN))
                await ping(links)  # the connection stands, with the certificate that it began with
            async with peer(newer.node(PEER), port):
                await wait_for_async("the link", lambda: ping(links), LimeDBError)


async def wait_for_async(what: str, act: Callable[[], Awaitable[None]], ignore: type[Exception]) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                return await act()
            except ignore:
                await asyncio.sleep(0.05)


def test_the_port_of_peers_follows_that_of_clients() -> None:
    assert peer_address("node1:8484", 10_000) == "node1:18484"
    assert peer_address("[::1]:7001", 1) == "[::1]:7002"
