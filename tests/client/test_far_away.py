"""The client where answers take their time: far away, or from a node that pauses."""

import asyncio
import time

import pytest

import limedb
from limedb.errors import UnavailableError
from tests.support.clusters import RunningCluster
from tests.support.clusters import limedb as command
from tests.support.delaying import far
from tests.support.keys import new_key
from tests.support.pausing import stopped
from tests.support.ports import free_port


@pytest.mark.parametrize("seconds", [0.005, 0.1, 0.4])
async def test_a_node_far_away_is_connected_and_answers(node: str, seconds: float) -> None:
    key = new_key()
    with far(node, seconds) as address:
        async with limedb.connect(address, timeout=30, follow_ring=False) as db:
            await db.set(key, "v")
            assert await db.get(key) == "v"
            assert len(await asyncio.gather(*(db.set(new_key(), "v") for _ in range(20)))) == 20


def test_the_command_line_connects_to_a_node_far_away(node: str) -> None:
    with far(node, 0.2) as address:
        done = command("set", new_key(), "v", "--target", address)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seconds", [0.3, 3.0])
async def test_one_who_connects_waits_for_a_node_that_pauses(broken: RunningCluster, seconds: float) -> None:
    key, first = new_key(), broken.nodes[0]
    with stopped(broken.pid(first.name), seconds):
        async with limedb.connect(first.address, timeout=30, follow_ring=False, idempotent=True) as db:
            await db.set(key, "v")
            assert await db.get(key) == "v"


async def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    with free_port() as port:
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="no node answers"):
            async with limedb.connect(f"127.0.0.1:{port}", timeout=30):
                pass
        assert time.monotonic() - began < 10
