"""Gossip in motion, between nodes in memory and in virtual time."""

import asyncio
import logging
from collections.abc import Sequence
from random import Random

import pytest

from limedb.cluster.gossip.gossiper import MAX_EXCHANGES, Gossiper
from limedb.cluster.gossip.peer_selector import PeerPicker
from limedb.cluster.gossip.view import ClusterView
from limedb.core.detector import Status
from limedb.core.membership import Ack, Digest, NodeState
from limedb.errors import RemoteError, UnavailableError
from tests.cluster.network import Network, SimulatedNode, url_of
from tests.cluster.virtual import VirtualClock, run_virtual, wait_until


def all_know_all(nodes: Sequence[SimulatedNode]) -> bool:
    return all(len(n.view.urls) == len(nodes) and len(n.sees(Status.ACTIVE)) == len(nodes) - 1 for n in nodes)


def all_have_heard_all(nodes: Sequence[SimulatedNode]) -> bool:
    heard = [peer.state.generation > 0 for n in nodes for peer in n.view.gossip_report().peers]
    return all_know_all(nodes) and all(heard)


@pytest.mark.parametrize("seed", range(10))
def test_four_nodes_started_together_know_each_other_within_a_second(seed: int) -> None:
    async def scenario() -> float:
        async with Network(seed) as network:
            nodes = [network.start(i, seeds=[1]) for i in range(1, 5)]
            return await wait_until(lambda: all_have_heard_all(nodes), limit=1.5)

    assert run_virtual(scenario()) <= 1.0


def test_nodes_that_wait_for_a_late_seed_find_it_soon_after_it_starts() -> None:
    async def scenario() -> None:
        async with Network() as network:
            early = [network.start(i, seeds=[1]) for i in (2, 3, 4)]
            await asyncio.sleep(3)
            nodes = [*early, network.start(1)]
            await wait_until(lambda: all_have_heard_all(nodes), limit=2)

    run_virtual(scenario())


def test_a_hundred_nodes_know_each_other_within_12_rounds() -> None:
    async def scenario() -> None:
        async with Network() as network:
            nodes = [network.start(i, seeds=[1]) for i in range(1, 101)]
            await wait_until(lambda: all_have_heard_all(nodes), limit=12, step=0.5)

    run_virtual(scenario())


def test_gossip_converges_through_a_network_that_loses_and_delays() -> None:
    async def scenario() -> None:
        async with Network(delay=0.3, loss=0.3) as network:
            nodes = [network.start(i, seeds=[1, 2]) for i in range(1, 9)]
            await wait_until(lambda: all_have_heard_all(nodes), limit=10)

    run_virtual(scenario())


def test_a_killed_node_is_stale_then_dead_to_all_and_back_when_it_returns() -> None:
    async def scenario() -> None:
        async with Network() as network:
            nodes = [network.start(i, seeds=[1]) for i in range(1, 5)]
            await wait_until(lambda: all_have_heard_all(nodes), limit=2)
            await asyncio.sleep(10)
            await network.kill("http://node4:8484")
            killed, others = url_of(4), nodes[:3]
            await wait_until(lambda: all(killed not in n.sees(Status.ACTIVE) for n in others), limit=5)
            await wait_until(lambda: all(killed in n.sees(Status.DEAD) for n in others), limit=3)
            back = network.start(4, seeds=[1])
            await wait_until(lambda: all_have_heard_all([*others, back]), limit=1.5)

    run_virtual(scenario())


def test_the_halves_of_a_partition_take_each_other_for_dead_and_meet_again() -> None:
    async def scenario() -> None:
        async with Network() as network:
            nodes = [network.start(i, seeds=[1]) for i in range(1, 7)]
            left, right = nodes[:3], nodes[3:]
            await wait_until(lambda: all_have_heard_all(nodes), limit=3)
            network.split(left, right)
            await wait_until(lambda: all(len(n.sees(Status.DEAD)) == 3 for n in nodes), limit=8)
            assert all(len(n.sees(Status.ACTIVE)) == 2 for n in nodes)
            assert all(len(n.view.urls) == 6 for n in nodes)
            await asyncio.sleep(60)
            network.cut.clear()
            await wait_until(lambda: all_know_all(nodes), limit=6)

    run_virtual(scenario())


def test_a_lone_half_without_seeds_finds_the_cluster_again() -> None:
    async def scenario() -> None:
        async with Network() as network:
            first, second = network.start(1), network.start(2, seeds=[1])
            await wait_until(lambda: all_have_heard_all([first, second]), limit=2)
            network.split([first], [second])
            await wait_until(lambda: bool(first.sees(Status.DEAD) and second.sees(Status.DEAD)), limit=7)
            network.cut.clear()
            await wait_until(lambda: all_know_all([first, second]), limit=2)

    run_virtual(scenario())


@pytest.mark.parametrize("interval", [0.1, 1.0, 30.0])
def test_peers_that_hang_do_not_stop_the_heartbeat(interval: float) -> None:
    async def scenario() -> None:
        async with Network() as network:
            nodes = [network.start(i, seeds=[1, 2], interval=interval) for i in range(1, 5)]
            await wait_until(lambda: all_have_heard_all(nodes), limit=2 + 2 * interval)
            network.hanging |= {url_of(i) for i in (2, 3, 4)}
            before = nodes[0].view.own.heartbeat
            await asyncio.sleep(20 * interval)
            assert nodes[0].view.own.heartbeat - before >= 18
            assert nodes[0].transport.open <= 3

    run_virtual(scenario())


def test_living_nodes_stay_active_while_one_hangs() -> None:
    async def scenario() -> None:
        async with Network() as network:
            nodes = [network.start(i, seeds=[4]) for i in range(1, 5)]
            await wait_until(lambda: all_have_heard_all(nodes), limit=2)
            network.hanging.add("http://node4:8484")
            nodes[3].task.cancel()
            for _ in range(600):
                await asyncio.sleep(0.1)
                assert not any(n.sees(Status.DEAD) - {url_of(4)} for n in nodes[:3])
            assert all(n.sees(Status.DEAD) == {url_of(4)} for n in nodes[:3])

    run_virtual(scenario())


def test_exchanges_are_bounded_in_number() -> None:
    async def scenario() -> None:
        async with Network() as network:
            network.hanging |= {url_of(i) for i in range(2, 40)}
            node = network.start(1, seeds=range(2, 40))
            await asyncio.sleep(0.5)
            assert node.transport.open == MAX_EXCHANGES
            await asyncio.sleep(60)
            assert len(set(node.transport.calls)) > 30

    run_virtual(scenario())


def test_stop_cancels_and_awaits_all() -> None:
    async def scenario() -> None:
        async with Network() as network:
            network.hanging |= {"http://node2:8484", "http://node3:8484"}
            node = network.start(1, seeds=[2, 3])
            await asyncio.sleep(0.3)
            assert node.transport.open == 2
            await node.stop()
            assert node.transport.open == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(scenario())


def test_a_node_whose_clock_went_back_is_accepted_after_its_restart(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with Network() as network:
            nodes = [network.start(i, seeds=[1]) for i in (1, 2)]
            await wait_until(lambda: all_have_heard_all(nodes), limit=2)
            await asyncio.sleep(20)
            await network.kill("http://node2:8484")
            back = network.start(2, seeds=[1], offset_ms=-3_600_000)
            await wait_until(lambda: nodes[0].view.gossip_report().peers[0].state == back.view.own, limit=3)

    run_virtual(scenario())
    assert caplog.text.count("was the clock set back") == 1


def test_the_keys_that_a_node_holds_are_reported() -> None:
    async def scenario() -> None:
        async with Network() as network:
            first, second = network.start(1), network.start(2, seeds=[1])
            second.keys = 42
            await wait_until(
                lambda: any(p.state.keys == 42 for p in first.view.gossip_report().peers), limit=3
            )

    run_virtual(scenario())


def test_a_change_is_reported_at_once_after_a_nudge() -> None:
    async def scenario() -> None:
        async with Network() as network:
            nodes = [network.start(i, seeds=[1]) for i in range(1, 6)]
            await wait_until(lambda: all_have_heard_all(nodes), limit=3)
            await asyncio.sleep(5)
            nodes[2].keys = 42
            nodes[2].gossiper.nudge()
            nudged = nodes[2].url
            await wait_until(lambda: sum(n.view.state(nudged).keys == 42 for n in nodes) >= 3, limit=0.5)

    run_virtual(scenario())


def test_the_answer_to_a_syn_reports_the_time() -> None:
    async def scenario() -> None:
        async with Network() as network:
            node = network.start(1, offset_ms=-5000)
            assert node.gossiper.on_syn([]).now_ms == VirtualClock(-5000).wall_ms()

    run_virtual(scenario())


def test_the_first_pauses_grow_to_the_interval() -> None:
    async def scenario() -> list[str]:
        async with Network() as network:
            node = network.start(1, seeds=[2])
            await asyncio.sleep(10.05)
            return node.transport.calls

    assert 4 + 9 <= len(run_virtual(scenario())) <= 16


def test_a_node_waits_for_its_first_peer_but_no_longer_than_it_may() -> None:
    async def scenario() -> None:
        async with Network() as network:
            node, alone = network.start(2, seeds=[1]), network.start(3)
            assert await alone.gossiper.wait_met(0.1)
            assert not await node.gossiper.wait_met(2)
            network.start(1)
            assert await node.gossiper.wait_met(1.2)

    run_virtual(scenario())


class Broken:
    """A transport that fails in ways of its own."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = errors, 0

    async def syn(self, url: str, digests: Sequence[Digest], timeout: float) -> Ack:
        self.calls += 1
        raise self.errors[self.calls % len(self.errors)]

    async def dial(self, url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        return await self.syn(url, digests, timeout)

    async def ack2(self, url: str, updates: Sequence[NodeState], timeout: float) -> None:
        raise AssertionError("no ACK, no ACK2")


class InTrouble(Broken):
    """The links to a peer are in trouble; the node of another name answers at its address."""

    def __init__(self, name: str) -> None:
        super().__init__(UnavailableError("connection refused or lost"))
        self.name = name

    async def dial(self, url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        return Ack((NodeState(self.name, 1, 1, address=address),), (), name=self.name)


def gossip_with(transport: Broken, seconds: float) -> int:
    """The heartbeats of a node with one peer at that transport."""
    return view_of_gossip_with(transport, seconds).own.heartbeat


def view_of_gossip_with(transport: Broken, seconds: float) -> ClusterView:
    """What a node with one peer at that transport knows in the end."""

    async def scenario() -> ClusterView:
        clock = VirtualClock()
        view = ClusterView(NodeState(url_of(1), 1), clock, gossip_interval=1.0)
        gossiper = Gossiper(view, transport, clock, interval=1.0, seeds=[url_of(2)], rng=Random(1))
        task = asyncio.create_task(gossiper.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])
        return view

    return run_virtual(scenario())


def test_a_peer_that_fails_is_logged_once_and_met_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "limedb.cluster.gossip.gossiper")
    transport = Broken(UnavailableError("refused"))

    assert gossip_with(transport, 10) >= 9
    assert transport.calls >= 9
    assert caplog.text.count("gossip with http://node2:8484: refused") == 1


def test_an_alias_whose_link_is_in_trouble_is_still_recognised() -> None:
    """That link's pings ask for the node of that name, which nobody has."""
    assert view_of_gossip_with(InTrouble(url_of(3)), 10).urls == (url_of(1), url_of(3))


def test_a_peer_with_another_secret_is_logged_with_the_setting_once(caplog: pytest.LogCaptureFixture) -> None:
    transport = Broken(RemoteError("http://node2:8484", "UNAUTHENTICATED", "UNAUTHENTICATED", "not valid"))

    assert gossip_with(transport, 10) >= 9
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warned) == 1
    assert warned[0].startswith("http://node2:8484 takes this node for a stranger")
    assert "CLUSTER_SECRET_FILE" in warned[0]


def test_a_peer_with_another_secret_is_a_problem_until_it_knows_this_node() -> None:
    strange = RemoteError("http://node2:8484", "UNAUTHENTICATED", "UNAUTHENTICATED", "not valid")
    transport = Broken(strange)

    async def scenario() -> tuple[list[str], list[str]]:
        clock = VirtualClock()
        view = ClusterView(NodeState(url_of(1), 1), clock, gossip_interval=1.0)
        gossiper = Gossiper(view, transport, clock, interval=1.0, seeds=[url_of(2)], rng=Random(1))
        task = asyncio.create_task(gossiper.run())
        await asyncio.sleep(5)
        before = [problem.text for problem in gossiper.problems()]
        transport.errors = (UnavailableError("gone"),)
        await asyncio.sleep(5)
        after = [problem.text for problem in gossiper.problems()]
        task.cancel()
        await asyncio.wait([task])
        return before, after

    before, after = run_virtual(scenario())
    assert len(before) == 1
    assert before[0].startswith("http://node2:8484 takes this node for a stranger")
    assert after == []


def test_even_a_bug_ends_no_gossip(caplog: pytest.LogCaptureFixture) -> None:
    transport = Broken(KeyError("a bug"))

    assert gossip_with(transport, 10) >= 9
    assert caplog.text.count("KeyError: 'a bug'") == 1


def test_changes_of_status_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "limedb.cluster.gossip.gossiper")
    gossip_with(Broken(UnavailableError("refused")), 10)

    assert [r.message for r in caplog.records if "node2" in r.message] == [
        f"node http://node2:8484 is {status}" for status in ("known by its name only", "stale", "dead")
    ]


def test_a_node_is_logged_as_active_once_it_was_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "limedb.cluster.gossip.gossiper")

    async def scenario() -> None:
        async with Network() as network:
            nodes = [network.start(1), network.start(2, seeds=[1])]
            await wait_until(lambda: all_have_heard_all(nodes), limit=2)
            await asyncio.sleep(2)

    run_virtual(scenario())
    said = [r.message for r in caplog.records if "is active" in r.message]
    assert sorted(said) == ["node http://node1:8484 is active", "node http://node2:8484 is active"]


def picks(living: set[str], dead: list[str], seeds: list[str], rounds: int = 1000) -> list[set[str]]:
    picker = PeerPicker(Random(7), seeds)
    return [picker.pick(living, dead) for _ in range(rounds)]


def test_every_living_peer_is_met_within_two_turns() -> None:
    living = {url_of(i) for i in range(5)}
    met = [next(iter(p)) for p in picks(living, [], [])]

    assert all(set(met[i : i + 9]) == living for i in range(len(met) - 9))


def test_the_dead_and_the_seeds_are_met_sometimes() -> None:
    living, dead = {url_of(i) for i in range(9)}, [url_of(20)]
    met = picks(living, dead, seeds=[url_of(0)])

    assert 70 <= sum(url_of(20) in p for p in met) <= 130
    assert 150 <= sum(url_of(0) in p for p in met) <= 270


def test_with_none_alive_a_dead_one_is_met_each_round() -> None:
    assert all(p == {url_of(1)} for p in picks(set(), [url_of(1)], []))
    assert picks(set(), [], [], rounds=1) == [set()]
