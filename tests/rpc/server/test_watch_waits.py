"""A peer says over its link for how long it doesn't count for watches yet."""

from dataclasses import replace

import pytest

from limedb.errors import LimeDBError
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.cluster import ClusterServicer
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.report_sources import Phase
from limedb.rpc.server.watch_waits import WatchWaits
from tests.rpc.cluster_sources import FakeCluster
from tests.rpc.peer.test_links import links_to
from tests.rpc.peers import URL, SystemClock, serving
from tests.support.ports import free_port


@pytest.mark.parametrize(("phase", "milliseconds"), [("active", 700), ("draining", 0)])
async def test_a_peer_is_waited_for_unless_it_stops_itself(phase: Phase, milliseconds: int) -> None:
    cluster = FakeCluster()
    cluster.phase = phase
    sources = replace(cluster.sources(), watch_wait_ms=lambda: 700)
    servicer = ClusterServicer(sources, Checks(10), Deadlines(SystemClock(), 10.0))
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        async with serving(address, servicer), links_to(address) as links:
            assert await WatchWaits(links).of(URL) == milliseconds


async def test_a_peer_that_is_not_there_fails_the_question() -> None:
    with free_port() as port:
        async with links_to(f"127.0.0.1:{port}") as links:
            with pytest.raises(LimeDBError):
                await WatchWaits(links).of(URL)
