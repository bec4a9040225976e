"""What a node believes of the topology: its voters' words, each asked by itself, and nothing else.

Tests limedb/cluster/topology/accounts.py, limedb/cluster/topology/first_claims.py and
limedb/ports/topology.py.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import pytest

from limedb.cluster.topology.approval import Approval
from limedb.core.paxos import Ballot
from limedb.core.topology import Phase, Topology, cancel, finish, hand_over, leave, remove
from limedb.errors import InvalidRequestError, UnavailableError
from limedb.ports import Account
from tests.cluster.client import Client
from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster, Node, formed
from tests.cluster.virtual import run_virtual, wait_until


def without(node: Node) -> Topology:
    """A valid-looking document in which a node is a member no more."""
    now = node.topology_store.topology
    return finish(hand_over(leave(now, node.topology_store.node_id)))


async def decide(voters: Iterable[Node], before: Topology, after: Topology) -> None:
    """Have a step accepted by some voters alone, without anybody hearing that it is decided."""
    ballot = Ballot(1, f"{before.members[0].node_id}/by hand")
    for voter in voters:
        await voter.topology_store.prepare(before, ballot)
        await voter.topology_store.accept(before, ballot, after)


def test_what_one_peer_says_is_not_believed_and_no_data_is_set_aside() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 3)
            client = Client(cluster)
            await client.write_many(nodes[0], "k", 50)
            true = nodes[0].topology_store.topology
            for node in nodes:
                for claim in (
                    without(node),
                    remove(true, node.topology_store.node_id),
                    replace(true, epoch=10**9),
                ):
                    await node.topology_store.learn(claim)
                    node.topology_store.adopt(claim)
            await asyncio.sleep(10)
            assert {node.topology_store.topology for node in nodes} == {true}
            assert not any(node.topology_manager.departed or node.topology_store.is_behind for node in nodes)
            await client.check(nodes[1])

    run_virtual(scenario())


def test_one_member_that_lies_is_not_believed_either() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 3)
            true, lie = nodes[0].topology_store.topology, without(nodes[1])
            nodes[0].topology_store.account = lambda after: Account((lie,))  # type: ignore[method-assign]
            await nodes[1].topology_store.learn(lie)
            await asyncio.sleep(10)
            assert nodes[1].topology_store.topology == nodes[2].topology_store.topology == true
            assert nodes[1].topology_manager.departed == ""
            assert "gone on to epoch 4" in nodes[1].verifier.trouble

    run_virtual(scenario())


def test_votes_of_a_majority_in_one_ballot_are_a_proof_before_anybody_has_gone_on() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 5)
            before = nodes[0].topology_store.topology
            after = leave(before, nodes[4].topology_store.node_id)
            await decide(nodes[:2], before, after)
            await nodes[3].topology_store.learn(after)
            assert nodes[3].topology_store.topology == before, "two of five are no majority"
            await decide([nodes[2]], before, after)
            await nodes[3].verifier.follow(after)
            assert nodes[3].topology_store.topology == after

    run_virtual(scenario())


def test_who_was_away_for_several_epochs_follows_them() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            away = nodes[3]
            await cluster.kill(away.url)
            for _ in range(3):
                await nodes[0].topology_proposer.decide(
                    partial(leave, node_id=nodes[2].topology_store.node_id)
                )
                await nodes[0].topology_proposer.decide(cancel)
            assert nodes[0].topology_store.topology.epoch == 7
            back = await cluster.restart(away)
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 5))), limit=30)
            assert back.topology_store.saved.recent == nodes[0].topology_store.saved.recent

    run_virtual(scenario())


def test_a_decision_of_which_one_survivor_knows_is_finished_by_those_who_are_left() -> None:
    """Three of five had accepted; two of them die for good before the others have heard."""

    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 5)
            before = nodes[0].topology_store.topology
            after = leave(before, nodes[1].topology_store.node_id)
            await decide([nodes[2], nodes[3], nodes[4]], before, after)
            for node in nodes[:2]:
                cluster.cut |= {frozenset((node.url, other.url)) for other in nodes[2:]}
            await nodes[2].verifier.follow(after)
            assert nodes[2].topology_store.topology == after
            for node in nodes[3:]:
                await cluster.kill(node.url)
            cluster.cut.clear()
            await wait_until(lambda: all(n.topology_store.topology.epoch >= 2 for n in nodes[:3]), limit=30)
            assert cluster.history[after.fence] == after

    run_virtual(scenario())


def test_a_fresh_node_is_not_trapped_by_a_document_that_names_it() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 3)
            fresh = cluster.start(4, seeds=[1])
            own = replace(
                nodes[0].topology_store.topology.members[0],
                node_id=fresh.topology_store.node_id,
                url=fresh.url,
            )
            for members in ((own,), (own, replace(own, node_id="~evil", url="http://elsewhere:1"))):
                await fresh.topology_store.learn(Topology("e" * 16, 1, 3, members))
                await fresh.topology_store.learn(Topology("e" * 16, 9, 3, members))
            assert fresh.topology_store.topology.is_fresh
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 5))), limit=30)

    run_virtual(scenario())


def test_a_fresh_node_follows_no_member_that_makes_up_a_cluster() -> None:
    """It is sent before the new node has heard any other, and the member confirms it."""

    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 3)
            fresh = cluster.start(4, seeds=[1, 2])
            own = nodes[0].topology_store.topology.member(nodes[0].topology_store.node_id)
            assert own is not None
            pair = (own, replace(own, node_id=fresh.topology_store.node_id, url=fresh.url))
            false = Topology("e" * 16, 1, 3, tuple(sorted(pair, key=lambda member: member.node_id)))
            true = nodes[0].topology_store.account
            nodes[0].topology_store.account = lambda after: Account((false,))  # type: ignore[method-assign]
            await fresh.topology_store.learn(false)
            assert fresh.topology_store.topology.is_fresh
            await wait_until(lambda: fresh.topology_store.is_member, limit=30)
            assert fresh.topology_store.topology.cluster_id != false.cluster_id
            nodes[0].topology_store.account = true  # type: ignore[method-assign]
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 5))), limit=30)

    run_virtual(scenario())


async def is_refused(nodes: list[Node], after: Topology) -> bool:
    """Whether a majority refuses a step that a stranger, who knows the rules, asks for."""
    before = nodes[0].topology_store.topology
    ballot = Ballot(1000 + before.epoch, f"{before.members[0].node_id}/stranger")
    refused = 0
    for node in nodes:
        try:
            await node.topology_store.accept(before, ballot, after)
        except (InvalidRequestError, UnavailableError):
            refused += 1
    return refused > len(nodes) // 2


async def streaming(cluster: Cluster) -> tuple[list[Node], Client]:
    """A cluster in which a node is joining that can't fetch, for it is cut off from all but one."""
    nodes = await formed(cluster, 4, replication_factor=1)
    client = Client(cluster)
    await client.write_many(nodes[0], "k", 100)
    fifth = cluster.start(5, seeds=[1], replication_factor=1)
    await wait_until(lambda: fifth.topology_store.is_member, limit=20, step=0.002)
    cluster.cut |= {frozenset((fifth.url, node.url)) for node in nodes}
    await wait_until(lambda: len({n.topology_store.topology for n in nodes}) == 1, limit=20, step=0.01)
    assert nodes[0].topology_store.topology.phase is Phase.STREAMING
    return nodes, client


def test_nobody_votes_for_a_handover_before_all_is_fetched() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes, client = await streaming(cluster)
            before = nodes[0].topology_store.topology
            assert await is_refused(nodes, hand_over(before))
            cluster.cut.clear()
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=60)
            await client.check(nodes[0])

    run_virtual(scenario())


def test_without_that_look_a_stranger_would_lose_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unseen(self: Approval, before: Topology, after: Topology) -> None:
        pass

    monkeypatch.setattr(Approval, "check", unseen)

    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes, client = await streaming(cluster)
            before = nodes[0].topology_store.topology
            assert not await is_refused(nodes, hand_over(before))
            await nodes[0].verifier.follow(hand_over(before))
            cluster.cut.clear()
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=60)
            with pytest.raises(AssertionError):
                await client.check(nodes[0])

    run_virtual(scenario())


def test_nobody_votes_for_the_removal_of_a_node_that_is_there() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 3)
            for node in nodes:
                assert await is_refused(
                    nodes, remove(nodes[0].topology_store.topology, node.topology_store.node_id)
                )

    run_virtual(scenario())


def test_a_removal_that_one_accepted_before_its_node_came_back_binds_nobody() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 3, dead_node_timeout=1e6)
            before = nodes[0].topology_store.topology
            await cluster.kill(nodes[2].url)
            await wait_until(
                lambda: not nodes[0].topology_manager._liveness.is_alive(before.at(url_of(3))), limit=30
            )
            await decide([nodes[0]], before, remove(before, nodes[2].topology_store.node_id))
            await cluster.restart(nodes[2])
            await wait_until(
                lambda: nodes[0].topology_manager._liveness.is_alive(before.at(url_of(3))), limit=30
            )
            plan = await nodes[1].topology_manager.decommission(nodes[0].url, dry_run=False)
            assert plan.epoch == 2

    run_virtual(scenario())


def test_pledges_that_strangers_ask_for_keep_no_cluster_from_forming() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = [cluster.start(i, seeds=[1]) for i in (1, 2, 3)]
            while not cluster.is_steady(*map(url_of, (1, 2, 3))):
                assert asyncio.get_running_loop().time() < 60
                for node in nodes:
                    for founder in ("http://elsewhere:1", "http://a:1", url_of(3), url_of(2)):
                        node.topology_manager.pledge(founder)
                await asyncio.sleep(0.1)

    run_virtual(scenario())


def test_who_waits_for_another_to_found_a_cluster_says_so() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            cluster.start(1, seeds=[2, 8, 9])  # which can't, as it misses nodes that were named to it
            waiting = cluster.start(2, seeds=[1])
            await wait_until(lambda: bool(waiting.topology_manager.lonely), limit=60)
            assert f"{url_of(1)} has the smallest name" in waiting.topology_manager.lonely

    run_virtual(scenario())


def test_without_proof_one_message_would_set_data_aside() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            node = (await formed(cluster, 3))[1]

            async def believe(claim: Topology) -> None:
                node.topology_store.go_over(claim)

            async def approve(before: Topology, after: Topology) -> None:
                pass

            node.topology_store.ask_first(believe, approve)
            await node.topology_store.learn(without(node))
            assert node.topology_manager.departed

    run_virtual(scenario())
