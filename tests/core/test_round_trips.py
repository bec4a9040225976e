"""Patience by measured round trips, and links to peers that are far away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from limedb.core.round_trips import RoundTrips
from limedb.core.topology import Fence
from limedb.errors import ReplicaUnreachableError
from limedb.rpc.peer.links import PeerLink
from limedb.rpc.peer.remote_replica import RemoteReplica
from tests.rpc.peers import URL, SystemClock, peer_process
from tests.support.delaying import delaying_proxy
from tests.support.ports import free_port

FENCE = Fence("00000000000000aa", 3)


@asynccontextmanager
async def far_link(seconds: float, disk: float = 0.0) -> AsyncIterator[PeerLink]:
    """A link to a peer that is `seconds` away one way, and whose disk takes `disk` seconds."""
    async with peer_process(delay=disk) as peer:
        with free_port() as port, delaying_proxy(port, peer.address, seconds) as address:
            link = PeerLink(URL, address, SystemClock())
            try:
                yield link
            finally:
                await link.close()


async def wait_connected(link: PeerLink) -> None:
    """Return when the peer is connected, though it may have counted as unreachable at first."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await link.wait_ready(10)
            except ReplicaUnreachableError:
                await asyncio.sleep(0.05)  # between two looks


def test_who_was_never_measured_has_the_least_and_nobody_more_than_the_most() -> None:
    trips = RoundTrips(0.4, 2.5)
    assert trips.patience == 0.4
    trips.measured(100.0)
    assert trips.patience == 2.5


def test_patience_follows_round_trips_both_ways() -> None:
    trips = RoundTrips(0.4, 2.5)
    for _ in range(50):
        trips.measured(0.8)
    assert 0.8 < trips.patience < 1.2
    for _ in range(100):
        trips.measured(0.01)
    assert trips.patience == 0.4


@pytest.mark.process
@pytest.mark.parametrize("seconds", [0.005, 0.1, 0.4])
async def test_a_peer_far_away_is_connected_and_keeps_its_calls(seconds: float) -> None:
    async with far_link(seconds, disk=0.8) as link:  # long enough for a ping in each call
        await wait_connected(link)
        replica = RemoteReplica(link, SystemClock())
        for _ in range(2):
            assert await replica.read(["k"], FENCE, time.monotonic() + 30) == [None]
            assert not link.trouble


def test_who_has_not_answered_yet_may_be_anywhere() -> None:
    trips = RoundTrips(0.4, 5.0, 2.5)
    assert not trips.is_known
    assert trips.patience == trips.fresh_patience == 2.5
    trips.measured(0.01)
    assert trips.is_known
    assert trips.patience == trips.fresh_patience == 0.4


def test_a_new_connection_takes_more_round_trips_than_an_answer() -> None:
    trips = RoundTrips(0.4, 5.0, 2.5)
    for _ in range(50):
        trips.measured(0.8)
    assert 2.4 < trips.fresh_patience < 3 * 1.2
    assert trips.fresh_patience == pytest.approx(3 * trips.patience)
