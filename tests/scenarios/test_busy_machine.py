"""A cluster on a machine whose processors are busy with other things."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.scenarios.history import Outcome
from tests.scenarios.load import Load, Nodes, nodes, write_one
from tests.support.children import LIMIT
from tests.support.clusters import USUAL, running_cluster

LOOPS, WRITERS, SECONDS = 4, 4, 15.0
PAUSE, PATIENCE = 0.02, 10.0


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """So many processes that only compute, for the time of the block."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait(LIMIT)


@pytest.mark.torture
async def test_busy_loops_beside_a_cluster_let_no_write_fail_and_nobody_be_taken_for_dead(
    tmp_path: Path,
) -> None:
    with running_cluster(tmp_path, nodes=3, env=USUAL, envoy=False) as running:
        load = Load()
        async with nodes([node.address for node in running.nodes]) as cluster:
            before = [node.log.stat().st_size for node in running.nodes]
            with busy_loops(LOOPS):
                await asyncio.gather(*(_write(cluster, writer, load) for writer in range(WRITERS)))
        said = [node.log.read_text()[size:] for node, size in zip(running.nodes, before, strict=True)]
        assert "is dead" not in "".join(said)
        failed = [done.error for done in load.operations if done.outcome is not Outcome.DONE]
        assert failed == [], load.report()


async def _write(cluster: Nodes, writer: int, load: Load) -> None:
    """Write keys of one's own through all nodes in turn, for a while."""
    end, count = asyncio.get_running_loop().time() + SECONDS, 0
    while asyncio.get_running_loop().time() < end:
        address = cluster.addresses[count % len(cluster.addresses)]
        load.note(await write_one(cluster, writer, address, f"{writer} {count}", "v", PATIENCE))
        count += 1
        await asyncio.sleep(PAUSE)
