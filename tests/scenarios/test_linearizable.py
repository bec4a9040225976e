"""Histories at LINEARIZABLE of real clusters that break: each key behaves as one register."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from tests.scenarios.history import History, Outcome
from tests.scenarios.load import Nodes, nodes, use_registers
from tests.scenarios.test_replication import break_one
from tests.support.clusters import USUAL, running_cluster
from tests.support.linearizable import Kind, check_history
from tests.support.netns_clusters import netns_cluster

SEED = 20294  # of the failures: pause, kill, pause, kill, of different nodes
FAILURES = 4
KEYS = 12
MAJORITY, MINORITY = ("node1", "node2", "node3"), ("node4", "node5")

pytestmark = pytest.mark.long


async def test_registers_are_linearizable_while_nodes_are_killed_and_paused(tmp_path: Path) -> None:
    rng = Random(SEED)
    with running_cluster(tmp_path, nodes=5, env=USUAL, envoy=False) as running:
        async with nodes([node.address for node in running.nodes]) as clients, used(clients) as history:
            for _ in range(FAILURES):
                await break_one(running, rng)
    _check(history, f"seed {SEED}, {FAILURES} failures")


@pytest.mark.root
async def test_registers_are_linearizable_through_a_partition(tmp_path: Path) -> None:
    with netns_cluster(tmp_path, 5) as cluster:
        addresses = [node.address for node in cluster.nodes.values()]
        async with nodes(addresses) as clients, used(clients) as history:
            for _ in range(2):
                await asyncio.to_thread(cluster.partition, MAJORITY, MINORITY)
                await asyncio.sleep(7)  # as long as the failure lasts
                await asyncio.to_thread(cluster.heal)
                await asyncio.to_thread(cluster.wait_whole)
    _check(history, "two partitions")


@asynccontextmanager
async def used(clients: Nodes) -> AsyncIterator[History]:
    """Clients of few registers through all nodes, for the time of the block; what they saw."""
    history, stop = History(time.monotonic), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(use_registers(clients, history, stop, keys=KEYS, seed=SEED))
        try:
            yield history
        finally:
            stop.set()


def _check(history: History, what: str) -> None:
    """It is linearizable, and says something: much was done, and values were read."""
    counts = history.counts
    read = sum(op.kind is Kind.READ and op.value is not None for op in history.ops)
    print(  # noqa: T201 (shown by pytest -s)
        f"{what}; {sum(counts.values())} operations on {KEYS} keys: {counts[Outcome.DONE]} done,"
        f" {counts[Outcome.FAILED]} failed, {counts[Outcome.UNKNOWN]} unknown; {read} values read"
    )
    assert counts[Outcome.DONE] > 500
    assert read > 100
    assert [str(violation) for violation in check_history(history.ops)] == []
