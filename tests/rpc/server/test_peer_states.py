"""A peer says over its link what only itself knows: when it counts for watches, and its problems."""

from dataclasses import replace

import pytest

from limedb.errors import LimeDBError
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.cluster import ClusterServicer
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.peer_states import PeerStates
from limedb.rpc.server.report_sources import Phase
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
            assert await PeerStates(links).watch_wait_ms(URL) == milliseconds


async def test_a_peer_names_its_problems_itself() -> None:
    cluster = FakeCluster()
    cluster.problem, cluster.warnings = "its clock is off", ["the disk is full"]
    servicer = ClusterServicer(cluster.sources(), Checks(10), Deadlines(SystemClock(), 10.0))
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        async with serving(address, servicer), links_to(address) as links:
            found = await PeerStates(links).problems(URL)
    assert found == (f"{URL} takes no requests: its clock is off", f"{URL}: the disk is full")


async def test_a_peer_that_is_not_there_fails_the_question() -> None:
    with free_port() as port:
        async with links_to(f"127.0.0.1:{port}") as links:
            with pytest.raises(LimeDBError):
                await PeerStates(links).watch_wait_ms(URL)
