"""A cluster whose nodes are far from each other: it forms, serves all levels, keeps still, takes a join."""

import asyncio
from pathlib import Path

import pytest

from tests.scenarios.load import LINEARIZABLE, QUORUM, nodes
from tests.scenarios.members import ALL
from tests.support.clusters import USUAL
from tests.support.far_nodes import FarCluster, far_cluster

WAYS = [0.1, *(pytest.param(seconds, marks=pytest.mark.torture) for seconds in (0.005, 0.4))]
WRITE_SECONDS = 30.0
STILL_SECONDS = 10.0


@pytest.mark.parametrize("seconds", WAYS)
async def test_nodes_far_apart_are_one_cluster_and_serve_every_level(tmp_path: Path, seconds: float) -> None:
    with far_cluster(tmp_path, seconds, env=USUAL) as far:
        await asyncio.to_thread(far.wait_whole)
        await _use(far, "first")
        assert not any(" is decided: " in line for line in _told(far))  # it was founded with all of them


@pytest.mark.torture
@pytest.mark.parametrize("seconds", [0.1, 0.4])
async def test_a_cluster_of_nodes_far_apart_keeps_still_and_takes_a_join(
    tmp_path: Path, seconds: float
) -> None:
    with far_cluster(tmp_path, seconds, spare=1, env=USUAL) as far:
        await asyncio.to_thread(far.wait_whole)
        told = _told(far)
        await _use(far, "before", count=20)
        await asyncio.sleep(STILL_SECONDS)  # as long as it is watched
        assert _since(told, far) == []
        far.add()
        await asyncio.to_thread(far.wait_whole, 120.0)
        await _use(far, "after")
        assert [line for line in _since(told, far) if "is dead" in line] == []
        assert sum(" is decided: " in line for line in _since(told, far)) == 3


async def _use(far: FarCluster, name: str, count: int = 3) -> None:
    """Write and read keys at all levels through all nodes, many at a time."""

    async def one(address: str, key: str, level: int) -> None:
        await cluster.set(address, key, "v", level, WRITE_SECONDS)
        assert await cluster.get(address, key, level, WRITE_SECONDS) == "v"

    async with nodes([node.address for node in far.nodes]) as cluster, asyncio.TaskGroup() as group:
        for level in (QUORUM, ALL, LINEARIZABLE):
            for i, address in enumerate(cluster.addresses * count):
                group.create_task(one(address, f"{name} {level} {i}", level))


def _told(far: FarCluster) -> list[str]:
    """What the nodes' logs say of dead nodes and of changes of the topology."""
    lines = [line for node in far.nodes for line in node.log.read_text().splitlines()]
    return [line for line in lines if "is dead" in line or " is decided: " in line]


def _since(told: list[str], far: FarCluster) -> list[str]:
    return [line for line in _told(far) if line not in told]
