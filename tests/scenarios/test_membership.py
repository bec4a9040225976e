"""Nodes join, leave, die and lose their disks under load on real processes: no key is lost, no read misses.

Each test has a cluster of its own. Keys of `fill` hold themselves and never change, so that whatever else is
read of one is a miss.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from limedb.core.report import Progress
from limedb.errors import LimeDBError
from limedbpb.v1 import record_pb2
from tests.scenarios.history import Outcome
from tests.scenarios.load import QUORUM, Load, Nodes, complaints, nodes, write_unique
from tests.scenarios.members import (
    ALL,
    ONE,
    Readers,
    fill,
    is_settled,
    is_whole,
    locate,
    missing,
    state,
    status,
    stored,
)
from tests.support.clusters import USUAL, Node, RunningCluster, limedb, running_cluster
from tests.support.waiting import wait_for

REPLICAS = 3
MANY = 500_000
SAMPLE = 50_000
CHANGE_SECONDS = 120.0  # for what takes some ten
SMOOTH = {
    **USUAL,
    "VIRTUAL_NODES": "512",
}  # with 256 the shares of one ring in 300 are more than 10 % from even
QUICK = {"GOSSIP_INTERVAL": "200ms", "DEAD_NODE_TIMEOUT": "5s"}


@dataclass
class Under:
    """A load while something happens."""

    load: Load
    readers: Readers

    def report(self) -> str:
        """The figures in a line."""
        return f"{self.readers.reads} reads, {len(self.readers.failures)} failed; {self.load.report()}"


@asynccontextmanager
async def under_load(
    cluster: Nodes, keys: Sequence[str], *, level: record_pb2.Consistency = QUORUM, name: str = "load"
) -> AsyncIterator[Under]:
    """Readers, and writers of other keys, for the time of the block. AssertionError: a read missed."""
    stop, load, readers = asyncio.Event(), Load(), Readers(cluster, keys, level)
    async with asyncio.TaskGroup() as group:
        group.create_task(readers.run(stop))
        group.create_task(write_unique(cluster, load, stop, writers=4, name=name))
        try:
            yield Under(load, readers)
        finally:
            stop.set()
    assert readers.misses == []
    assert readers.reads > 10 * len(readers.failures)  # those of a node that got no processor for long


async def until_members(asked: Node, members: Sequence[Node]) -> None:
    """Wait until these are the members and nothing changes."""
    await asyncio.to_thread(
        wait_for, "the change is done", lambda: is_settled(asked, members), CHANGE_SECONDS, LimeDBError
    )


async def until_stored(asked: Sequence[Node], most: int) -> None:
    """Wait until the nodes have dropped what they don't own."""
    await asyncio.to_thread(
        wait_for, "leftovers are dropped", lambda: sum(map(stored, asked)) <= most, CHANGE_SECONDS
    )


def named(count: int) -> list[str]:
    """That many keys."""
    return [f"key-{number:06}" for number in range(count)]


# --- joining and leaving


@pytest.mark.long
async def test_a_node_joins_and_another_leaves_under_load(tmp_path: Path) -> None:
    keys = named(MANY)
    with running_cluster(tmp_path, nodes=5, env=SMOOTH, envoy=False) as running:
        five = running.nodes
        async with nodes([node.address for node in five]) as cluster:
            await fill(cluster, keys)
            async with under_load(cluster, keys) as joining:
                new = await asyncio.to_thread(running.add)
                await until_members(five[0], [*five, new])
                moved = stored(new)
            print(f"join: {moved} keys moved; {joining.report()}")  # noqa: T201 (shown by pytest -s)
            assert abs(moved / (REPLICAS * MANY / 6) - 1) < 0.1
            await check_all(cluster, joining.load, new, keys)
            await until_stored([*five, new], REPLICAS * (MANY + len(joining.load.ledger.keys)))
            await check_leaving(running, cluster, new, keys)


async def check_leaving(running: RunningCluster, cluster: Nodes, new: Node, keys: Sequence[str]) -> None:
    """The same outward: node1 is decommissioned."""
    leaving, *staying = running.nodes
    left = cluster.only(node.address for node in staying)
    before = sum(map(stored, staying)) + stored(new)
    async with under_load(left, keys, name="leave") as load:
        done = await asyncio.to_thread(
            limedb, "admin", "decommission", leaving.url, "--target", new.address, timeout=CHANGE_SECONDS
        )
        assert done.returncode == 0, done.stderr
        moved = sum(map(stored, staying)) + stored(new) - before
    print(f"leave: {moved} keys moved; {load.report()}")  # noqa: T201 (shown by pytest -s)
    assert done.stdout.splitlines()[-1] == f"{leaving.url} is no longer a member"
    assert abs(moved / (REPLICAS * MANY / 6) - 1) < 0.15
    await until_members(new, [*staying, new])
    await check_all(left, load.load, new, keys)
    assert "decommissioned" in state(leaving).problem


async def check_all(cluster: Nodes, load: Load, new: Node, keys: Sequence[str]) -> None:
    """All keys are read through the new node, a sample of them through the others; no write is lost."""
    assert load.ledger.counts[Outcome.DONE] > 0
    assert await complaints(cluster, load.ledger) == []
    for address in cluster.addresses:
        assert await missing(cluster, address, keys[:: len(keys) // SAMPLE or 1]) == []
    async with nodes([new.address]) as alone:
        assert await missing(alone, new.address, keys) == []


# --- a join that is cut off


@pytest.mark.long
async def test_a_join_that_was_killed_half_way_continues_where_it_was(tmp_path: Path) -> None:
    keys = named(150_000)
    with running_cluster(tmp_path, nodes=3, env=USUAL, envoy=False) as running:
        async with nodes([node.address for node in running.nodes]) as cluster:
            await fill(cluster, keys)
            new = await asyncio.to_thread(running.add)
            async with under_load(cluster, keys) as load:
                cut = await asyncio.to_thread(break_off, running, new, signal.SIGKILL)
                await asyncio.to_thread(running.restart, new.name)
                await until_members(running.nodes[0], [*running.nodes, new])
            fetched = last_fetched(new)
            moved = stored(new)
            print(f"of {moved} keys {cut.keys} before it was killed, {fetched} after")  # noqa: T201 (as above)
            assert 0 < fetched < moved - cut.keys // 4
            await check_all(cluster, load.load, new, keys)


@pytest.mark.long
async def test_a_join_that_is_cancelled_leaves_all_as_it_was(tmp_path: Path) -> None:
    keys = named(100_000)
    with running_cluster(tmp_path, nodes=3, env=USUAL, envoy=False) as running:
        async with nodes([node.address for node in running.nodes]) as cluster:
            await fill(cluster, keys)
            epoch = status(running.nodes[0]).epoch
            async with under_load(cluster, keys) as load:
                new = await asyncio.to_thread(running.add)
                await asyncio.to_thread(break_off, running, new, signal.SIGSTOP)
                asked = ("--target", running.nodes[0].address)
                done = await asyncio.to_thread(limedb, "admin", "cancel", *asked)
                await asyncio.to_thread(running.resume, new.name)
                assert (done.returncode, f"{new.url} is joining" in done.stdout) == (0, True), done
                await until_members(running.nodes[0], running.nodes)
            assert status(running.nodes[0]).epoch == epoch + 2
            await asyncio.to_thread(
                wait_for,
                "the old owners hold the same",
                lambda: len(set(map(stored, running.nodes))) == 1,
                60,
            )
            assert await complaints(cluster, load.load.ledger) == []
            assert await missing(cluster, cluster.addresses[0], keys) == []
            wait_for(
                "the new node says what to do", lambda: "cancelled; restart it to try again" in problem(new)
            )
            await asyncio.to_thread(running.restart, new.name)
            await until_members(running.nodes[0], [*running.nodes, new])
            await check_all(cluster, load.load, new, keys)


def wait_under_way(asked: Node, new: Node) -> Progress:
    """Wait until a node that joins has fetched a third of its ranges; how far it is."""

    def far() -> Progress | None:
        change = status(asked).change
        progress = change.progress.get(new.url) if change else None
        return progress if progress and progress.spans_done * 3 > progress.spans > 0 else None

    progress = wait_for("the join is under way", far, CHANGE_SECONDS, ignore=LimeDBError)
    assert progress is not None
    return progress


def break_off(running: RunningCluster, new: Node, how: signal.Signals) -> Progress:
    """Kill or stop a node that joins and has fetched some of its ranges; how far it was."""
    process = running.pid(new.name)
    progress = wait_under_way(running.nodes[0], new)
    os.kill(process, how)  # at once: a command takes as long as the rest of the join
    assert not progress.is_done
    return progress


def last_fetched(node: Node) -> int:
    """How many keys a node told at the end of its last join to have fetched in this life of it."""
    told = [line for line in node.log.read_text().splitlines() if " ranges, " in line and "fetched" in line]
    return int(told[-1].split(" ranges, ")[1].split()[0])


def problem(node: Node) -> str:
    """Why a node takes no requests."""
    return state(node).problem


# --- nodes that die


@pytest.mark.long
async def test_a_dead_node_is_removed_by_itself_and_joins_as_new_when_it_is_back(tmp_path: Path) -> None:
    keys = named(2000)
    with running_cluster(tmp_path, nodes=4, env=QUICK, envoy=False) as running:
        *staying, dead = running.nodes
        async with nodes([node.address for node in staying]) as cluster:
            await fill(cluster, keys)
            before = member_id(staying[0], dead)
            async with under_load(cluster, keys) as load:
                await asyncio.to_thread(running.kill, dead.name)
                await until_members(staying[0], staying)
            assert not_whole(staying[1], keys) == []
            assert dead.url not in {
                owner.url for owners in locate(staying[0], *keys[:100]) for owner in owners
            }
            await asyncio.to_thread(running.restart, dead.name)
            await until_members(staying[0], running.nodes)
            assert member_id(staying[0], dead) not in ("", before)
            assert "was removed from its cluster" in dead.log.read_text()
            assert list((running.folder / dead.name).glob("*.lmdb.removed-*"))
            assert not_whole(dead, keys) == []
            await check_all(cluster, load.load, dead, keys)


@pytest.mark.long
async def test_a_node_that_lost_its_disk_counts_only_when_it_has_fetched(tmp_path: Path) -> None:
    """Its keys are on all replicas, so that reading one at ONE misses only at a replica that isn't filled."""
    keys = named(30_000)
    with running_cluster(tmp_path, nodes=4, env=USUAL, envoy=False) as running:
        *others, lost = running.nodes
        async with nodes([node.address for node in others]) as cluster:
            await fill(cluster, keys, ALL)
            before = member_id(others[0], lost)
            async with (
                under_load(cluster, keys, level=ONE, name="one") as at_one,
                under_load(cluster, keys) as at_quorum,
            ):
                await asyncio.to_thread(running.kill, lost.name)
                shutil.rmtree(running.folder / lost.name)
                await asyncio.to_thread(running.restart, lost.name)
                await until_members(others[0], running.nodes)
            print(f"at ONE: {at_one.report()}; at QUORUM: {at_quorum.report()}")  # noqa: T201 (as above)
            assert member_id(others[0], lost) not in ("", before)
            sample = keys[::30]
            assert [
                key for key, o in zip(sample, locate(lost, *sample), strict=True) if not is_whole(o)
            ] == []
            held = sum(lost.url in {owner.url for owner in owners} for owners in locate(lost, *sample))
            assert held > 0
            assert abs(stored(lost) / (len(keys) * held / len(sample)) - 1) < 0.2
            await check_all(cluster, at_quorum.load, lost, keys)


def member_id(asked: Node, node: Node) -> str:
    """The id of a member; empty: it is none."""
    return next((m.node_id for m in state(asked).members if m.url == node.url), "")


def not_whole(asked: Node, keys: Sequence[str]) -> list[str]:
    """Keys that are not on three living replicas, the same on each."""
    return [key for key, owners in zip(keys, locate(asked, *keys), strict=True) if not is_whole(owners)]


def owned(asked: Node, node: Node, keys: Sequence[str]) -> int:
    """How many of the keys a node owns."""
    return sum(node.url in {owner.url for owner in owners} for owners in locate(asked, *keys))
