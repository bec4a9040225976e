"""Of those that want one key, one at a time has it, first come first served."""

import asyncio

import pytest

from limedb.aio.key_turns import KeyTurns
from tests.replication.nodes import virtual


@virtual
async def test_turns_of_a_key_come_in_order_and_other_keys_don_t_wait() -> None:
    turns, order = KeyTurns(), list[str]()

    async def run(name: str, key: str) -> None:
        await turns.take(key, 60)
        await asyncio.sleep(1)
        order.append(name)
        turns.give(key)

    await asyncio.gather(run("1", "a"), run("2", "a"), run("other", "b"), run("3", "a"))
    assert order == ["1", "other", "2", "3"]
    assert turns.is_idle


@virtual
async def test_who_waits_in_vain_or_is_cancelled_leaves_the_queue() -> None:
    turns = KeyTurns()
    await turns.take("a", 60)
    with pytest.raises(TimeoutError):
        await turns.take("a", 1)
    waiting = asyncio.create_task(turns.take("a", 60))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    turns.give("a")
    await turns.take("a", 0.1)
    turns.give("a")
    assert turns.is_idle
