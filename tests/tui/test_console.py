"""The calls behind the terminal UI, at real nodes.

Tests limedb/operator/console_convert.py.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

import limedb
from limedb.errors import LimeDBError, RemoteError, RequestTimeoutError, UnavailableError
from limedb.operator.console import ConsoleCalls
from limedb.operator.console_follow import Follower
from limedb.operator.console_values import KeyPage, Lost, Sample
from limedb.tui.session import TuiSession
from tests.support.clusters import RunningCluster
from tests.support.ports import free_port


@pytest_asyncio.fixture
async def calls() -> AsyncIterator[ConsoleCalls]:
    calls = ConsoleCalls(5.0)
    yield calls
    await calls.close()


async def test_gossip_is_that_of_the_node_asked_though_only_envoy_can_be_reached(
    cluster: RunningCluster, calls: ConsoleCalls
) -> None:
    with free_port() as nowhere:
        for node in cluster.nodes:
            told = await calls.gossip(node.url, [f"127.0.0.1:{nowhere}", cluster.envoy_address])
            assert told.node_url == node.url
            assert {peer.url for peer in told.peers} == {n.url for n in cluster.nodes} - {node.url}


async def test_another_nodes_gossip_is_never_taken_for_that_of_the_node_asked(
    cluster: RunningCluster, calls: ConsoleCalls
) -> None:
    with free_port() as nowhere, pytest.raises(UnavailableError, match="can't be reached from here"):
        await calls.gossip(f"http://127.0.0.1:{nowhere}", [cluster.nodes[0].address])


async def test_pages_follow_each_other_by_their_cursors(cluster: RunningCluster, calls: ConsoleCalls) -> None:
    prefix, addresses = f"{uuid4().hex}:", [cluster.nodes[0].address]
    async with limedb.connect(cluster.nodes[1].address) as db:
        await db.set_many({f"{prefix}{i}": "lime" for i in range(5)})
    pages, after = [], None
    for _ in range(3):
        page = await calls.page(prefix, after, 2, addresses)
        pages.append([(entry.key.removeprefix(prefix), entry.size) for entry in page.entries])
        after = page.after
    assert pages == [[("0", 4), ("1", 4)], [("2", 4), ("3", 4)], [("4", 4)]]
    assert after is None


async def test_a_node_without_an_answer_is_passed_over(cluster: RunningCluster, calls: ConsoleCalls) -> None:
    with free_port() as nowhere:
        addresses = [f"127.0.0.1:{nowhere}", cluster.nodes[2].address]
        assert len(await calls.owners("k", addresses)) == 3
        with pytest.raises(UnavailableError, match="nothing answers"):
            await calls.owners("k", addresses[:1])
    with pytest.raises(UnavailableError, match="no node to ask"):
        await calls.owners("k", [])


async def test_a_call_waits_for_a_node_that_hangs_as_long_as_its_caller_says(broken: RunningCluster) -> None:
    hanging = broken.nodes[0]
    broken.pause(hanging.name)
    hurried, patient = TuiSession(hanging.address, 0.2), TuiSession(hanging.address, 60)
    asking = [asyncio.create_task(patient.page("", None)), asyncio.create_task(patient.get("k", None))]
    with pytest.raises(RequestTimeoutError, match=r"0\.2 s"):
        await hurried.page("", None)
    with pytest.raises(LimeDBError):
        await hurried.get("k", None)
    broken.resume(hanging.name)
    assert [await told for told in asking] == [KeyPage((), None), None]
    await asyncio.gather(hurried.close(), patient.close())


async def test_what_a_node_refuses_is_its_own_error(cluster: RunningCluster, calls: ConsoleCalls) -> None:
    with pytest.raises(RemoteError, match="key is empty"):
        await calls.owners("", [node.address for node in cluster.nodes])


async def test_following_passes_over_the_silent_and_learns_the_others(
    cluster: RunningCluster,
) -> None:
    with free_port() as nowhere:
        follower = Follower((f"127.0.0.1:{nowhere}", cluster.nodes[1].address), late=5)
        following = follower.follow()
        told = [await anext(following) for _ in range(3)]
        await following.aclose()
    assert isinstance(told[0], Lost)
    assert told[0].reason == "nothing answers"
    assert [sample.node_url for sample in told[1:] if isinstance(sample, Sample)] == [
        cluster.nodes[1].url
    ] * 2
    assert follower.addresses[:3] == tuple(cluster.nodes[i].address for i in (1, 0, 2))
