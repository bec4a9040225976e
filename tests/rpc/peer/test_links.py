"""Links to peers: kept while they work; a peer that gives no sign of life is found out, and found again.

Tests limedb/rpc/peer/watchdog.py.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest

from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.errors import LimeDBError, OutcomeUnknownError, ReplicaUnreachableError
from limedb.rpc.peer.links import RETRY_SECONDS, PeerLinks
from limedb.rpc.peer.remote_replica import RemoteReplica, ReplicaDirectory
from tests.rpc.peers import URL, FakeReplica, SystemClock, peer_process, servicers, serving
from tests.support.ports import free_port

FENCE = Fence("00000000000000aa", 3)
FOUND_OUT = 0.8 + 0.3
"""Seconds in which a peer that hangs is found out, with some room for a busy machine."""
BACK = 1.0 + 0.5
"""Seconds in which one that is back is found, with as much."""


@asynccontextmanager
async def links_to(address: str) -> AsyncIterator[PeerLinks]:
    links = PeerLinks(lambda _: address, SystemClock())
    try:
        yield links
    finally:
        await links.close()


def replica_at(links: PeerLinks) -> RemoteReplica:
    return RemoteReplica(links.to(URL), SystemClock())


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


async def error_of(work: Awaitable[object]) -> tuple[LimeDBError, float]:
    """The error that work ends with, and the seconds that it took."""
    started = time.monotonic()
    with pytest.raises(LimeDBError) as caught:
        await work
    return caught.value, time.monotonic() - started


async def wait_reachable(links: PeerLinks) -> float:
    """The seconds until the peer is reachable again."""
    started = time.monotonic()
    while not links.to(URL).is_reachable:
        assert time.monotonic() - started < 10
        await asyncio.sleep(0.01)  # between two looks
    return time.monotonic() - started


async def test_a_link_that_works_is_kept() -> None:
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        async with serving(address, *servicers(FakeReplica())), links_to(address) as links:
            link = links.to(URL)
            await link.wait_ready(10)
            assert await replica_at(links).read(["k"], FENCE, soon()) == [None]
            assert links.to(URL) is link
            assert link.is_reachable


async def test_a_peer_that_is_not_there_is_unreachable_soon_and_then_at_once() -> None:
    with free_port() as port:
        async with links_to(f"127.0.0.1:{port}") as links:
            error, seconds = await error_of(replica_at(links).apply([Record("k", "v", 1)], FENCE, soon()))
            assert isinstance(error, ReplicaUnreachableError)
            assert seconds < FOUND_OUT
            assert not links.to(URL).is_reachable
            error, seconds = await error_of(replica_at(links).read(["k"], FENCE, soon()))
            assert isinstance(error, ReplicaUnreachableError)
            assert seconds < 0.05


async def test_a_peer_that_comes_up_is_found_without_being_asked() -> None:
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        async with links_to(address) as links:
            with pytest.raises(ReplicaUnreachableError):
                await links.to(URL).wait_ready(10)
            async with serving(address, *servicers(FakeReplica())):
                assert await wait_reachable(links) < BACK
                assert await replica_at(links).read(["k"], FENCE, soon()) == [None]


async def test_a_peer_that_restarts_is_found_again() -> None:
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        async with links_to(address) as links:
            for _ in range(3):
                async with serving(address, *servicers(FakeReplica())):
                    await wait_reachable(links)
                    assert await replica_at(links).read(["k"], FENCE, soon()) == [None]
                await error_of(replica_at(links).read(["k"], FENCE, soon()))


async def test_a_peer_that_moved_gets_a_new_link() -> None:
    addresses = ["127.0.0.1:1"]
    links = PeerLinks(lambda _: addresses[-1], SystemClock())
    before = links.to(URL)
    addresses.append("127.0.0.1:2")
    assert links.to(URL).address == "127.0.0.1:2"
    assert links.to(URL) is not before
    await links.close()


@pytest.mark.process
async def test_a_peer_that_stands_still_ends_all_that_it_owes_and_is_found_again() -> None:
    async with peer_process(delay=0.05) as peer, links_to(peer.address) as links:
        replica = replica_at(links)
        assert await replica.read(["k"], FENCE, soon()) == [None]
        peer.stop()
        (read, took), (write, _) = await asyncio.gather(
            error_of(replica.read(["k"], FENCE, soon())),
            error_of(replica.apply([Record("k", "v", 1)], FENCE, soon())),
        )
        assert took < FOUND_OUT
        assert isinstance(read, ReplicaUnreachableError)
        assert "no answer to a ping" in str(read)
        assert isinstance(write, OutcomeUnknownError)
        assert (write.key, write.needed, write.acked, write.missing) == (
            "k", 1, 0, {URL: "no answer to a ping within 0.4 s"},
        )  # fmt: skip
        assert not links.to(URL).is_reachable
        late, took = await error_of(replica.apply([Record("k", "v", 1)], FENCE, soon()))
        assert isinstance(late, ReplicaUnreachableError)
        assert took < 0.05
        await asyncio.sleep(1.0)  # long enough for new connections, which nobody accepts either
        assert not links.to(URL).is_reachable
        tried = re.fullmatch(
            r"no answer to a ping within 0.4 s; (\d+) tr(y|ies) without an answer in (\d\.\d) s since",
            links.to(URL).trouble,
        )
        assert tried, links.to(URL).trouble
        assert float(tried[3]) >= 0.9
        assert 1 <= int(tried[1]) <= 1 + float(tried[3]) / RETRY_SECONDS
        peer.resume()
        assert await wait_reachable(links) < BACK
        assert await replica.read(["k"], FENCE, soon()) == [None]


@pytest.mark.process
async def test_a_peer_whose_disk_is_slow_is_waited_for() -> None:
    async with peer_process(delay=1.5) as peer, links_to(peer.address) as links:
        assert await replica_at(links).read(["k"], FENCE, soon()) == [None]
        assert links.to(URL).is_reachable


@pytest.mark.process
async def test_a_peer_that_stands_still_during_a_long_call_is_found_out() -> None:
    async with peer_process(delay=30) as peer, links_to(peer.address) as links:
        call = asyncio.create_task(error_of(replica_at(links).read(["k"], FENCE, soon(30))))
        await asyncio.sleep(1.0)  # several pings are answered
        assert not call.done()
        stopped = time.monotonic()
        peer.stop()
        error, _ = await call
        assert time.monotonic() - stopped < FOUND_OUT
        assert isinstance(error, ReplicaUnreachableError)


@pytest.mark.process
async def test_a_peer_that_is_killed_fails_calls_at_once() -> None:
    async with peer_process(delay=30) as peer, links_to(peer.address) as links:
        call = asyncio.create_task(error_of(replica_at(links).read(["k"], FENCE, soon(30))))
        await links.to(URL).wait_ready(5)
        await asyncio.sleep(0.1)  # the call is on its way
        peer.kill()
        error, took = await call
        assert isinstance(error, ReplicaUnreachableError)
        assert took < FOUND_OUT
        assert not links.to(URL).is_reachable


@pytest.mark.process
async def test_who_is_cancelled_while_he_waits_is_cancelled() -> None:
    async with peer_process(delay=30) as peer, links_to(peer.address) as links:
        call = asyncio.create_task(replica_at(links).read(["k"], FENCE, soon(30)))
        await links.to(URL).wait_ready(5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


@pytest.mark.process
async def test_closing_ends_calls_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with peer_process(delay=30) as peer:
        links = PeerLinks(lambda _: peer.address, SystemClock())
        call = asyncio.create_task(error_of(replica_at(links).read(["k"], FENCE, soon(30))))
        await links.to(URL).wait_ready(5)
        await asyncio.sleep(0.5)  # the watchdog is at work
        await links.close()
        error, _ = await call
        assert isinstance(error, ReplicaUnreachableError)
    assert asyncio.all_tasks() - before == set()


async def test_the_directory_knows_who_can_be_reached() -> None:
    own, dead = FakeReplica(), {"http://dead:1"}
    with free_port() as port:
        async with links_to(f"127.0.0.1:{port}") as links:
            directory = ReplicaDirectory(
                "http://own:1", own, links, SystemClock(), lambda url: url not in dead, lambda url: 3.21
            )
            assert directory.at("http://own:1") is own
            assert directory.is_reachable("http://own:1")
            assert not directory.is_reachable("http://dead:1")
            assert (
                directory.absence("http://dead:1")
                == "it is known to be down: nobody has heard of it for 3.2 s"
            )
            assert directory.is_reachable(URL)  # nobody has tried yet
            await error_of(directory.at(URL).read(["k"], FENCE, soon()))
            assert not directory.is_reachable(URL)
            assert directory.absence(URL).startswith("it is known to be down: ")
