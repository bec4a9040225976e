"""A peer, as a fixture."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.rpc.peer.stream_peers import Peer, made


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    async with made() as peer:
        yield peer
