"""Links to peers: kept while they work, renewed when they don't."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from limedb.errors import ReplicaUnreachableError
from limedb.rpc.links import RENEW_SECONDS, PeerLinks
from tests.support.ports import free_port

URL = "http://peer:1"


class HandClock:
    """Stands until a test moves it."""

    now = 0.0

    def wall_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now


@asynccontextmanager
async def listening(address: str) -> AsyncIterator[None]:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


async def test_a_link_that_works_is_kept() -> None:
    clock = HandClock()
    with free_port() as port:
        links = PeerLinks(lambda _: f"127.0.0.1:{port}", clock)
        async with listening(f"127.0.0.1:{port}"):
            link = links.to(URL)
            await link.wait_ready(10)
            clock.now += 1000
            assert links.to(URL) is link
        await links.close()


async def test_a_peer_that_comes_up_is_reached_by_the_first_request_after_the_renewal() -> None:
    clock = HandClock()
    with free_port() as port:
        links = PeerLinks(lambda _: f"127.0.0.1:{port}", clock)
        failed = links.to(URL)
        with pytest.raises(ReplicaUnreachableError, match=f"owner {URL} is unreachable"):
            await failed.wait_ready(10)
        assert links.to(URL) is failed
        clock.now += RENEW_SECONDS
        async with listening(f"127.0.0.1:{port}"):
            renewed = links.to(URL)
            assert renewed is not failed
            await renewed.wait_ready(10)
        await links.close()


async def test_who_waits_on_a_link_that_is_renewed_hears_that_the_peer_is_unreachable() -> None:
    clock = HandClock()
    with free_port() as port:
        links = PeerLinks(lambda _: f"127.0.0.1:{port}", clock)
        failed = links.to(URL)
        with pytest.raises(ReplicaUnreachableError):
            await failed.wait_ready(10)
        waiting = asyncio.create_task(failed.wait_ready(10))
        await asyncio.sleep(0)  # it waits on the link now
        clock.now += RENEW_SECONDS
        assert links.to(URL) is not failed
        with pytest.raises(ReplicaUnreachableError):
            await waiting
        async with listening(f"127.0.0.1:{port}"):
            with pytest.raises(ReplicaUnreachableError):
                await failed.wait_ready(10)
        await links.close()
        with pytest.raises(ReplicaUnreachableError, match="renewed"):
            await failed.wait_ready(10)


async def test_a_peer_that_moved_gets_a_new_link() -> None:
    addresses = ["127.0.0.1:1"]
    links = PeerLinks(lambda _: addresses[-1], HandClock())
    before = links.to(URL)
    addresses.append("127.0.0.1:2")
    assert links.to(URL).address == "127.0.0.1:2"
    assert links.to(URL) is not before
    await links.close()
