"""A patient client: how often it sends what is not answered, and that it is carried out in the end."""

import asyncio
from collections import Counter

import pytest

import limedb
from limedb.client.batches import Batch
from limedb.client.stream import Stream
from limedb.errors import UnavailableError
from tests.support.clusters import RunningCluster
from tests.support.delaying import far
from tests.support.keys import new_key
from tests.support.pausing import stopped

MOST = 9
"""Tries within 5 s: pauses of 0.01 to 5 s at least, each 2.5 times the one before."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each key is sent, by all clients, from now on."""
    counts, send = Counter[str](), Stream.send

    def counted(stream: Stream, batch: Batch) -> None:
        counts.update(batch.keys)
        send(stream, batch)

    monkeypatch.setattr(Stream, "send", counted)
    return counts


def values(count: int = 500) -> dict[str, str]:
    return {new_key(): "v" * 100 for _ in range(count)}


async def test_what_is_far_away_is_sent_once(node: str, sent: Counter[str]) -> None:
    with far(node, 0.4) as address:
        async with limedb.connect(
            address, timeout=60, follow_ring=False, idempotent=True, patient=True
        ) as db:
            await asyncio.gather(*(db.set_many(values()) for _ in range(8)))
    assert (len(sent), set(sent.values())) == (4000, {1})


async def test_what_a_node_holds_that_pauses_is_sent_once(broken: RunningCluster, sent: Counter[str]) -> None:
    asked = broken.nodes[0]
    async with limedb.connect(
        asked.address, timeout=60, follow_ring=False, idempotent=True, patient=True
    ) as db:
        await db.set_many(values(1))
        with stopped(broken.pid(asked.name), 1):
            await asyncio.gather(*(db.set_many(values()) for _ in range(8)))
    assert (len(sent), set(sent.values())) == (4001, {1})


async def test_a_write_that_only_one_node_can_answer_waits_for_it_as_long_as_its_caller(
    broken: RunningCluster, sent: Counter[str]
) -> None:
    asked, key = broken.nodes[0], new_key()
    async with limedb.connect(asked.address, timeout=60, follow_ring=False) as db:
        await db.set(key, "old")
        with stopped(broken.pid(asked.name), 2.5):
            writing = [asyncio.create_task(db.set(new_key(), "v")) for _ in range(20)]
            await asyncio.wait(writing, timeout=0.1)
            reading = asyncio.create_task(db.get(key))
            await asyncio.gather(*writing)
            assert await reading == "old"
    del sent[key]
    assert set(sent.values()) == {1}


async def test_what_every_node_refuses_is_tried_until_the_deadline_and_no_more_often_than_pauses_allow(
    broken: RunningCluster, sent: Counter[str]
) -> None:
    for node in broken.nodes[1:]:
        await asyncio.to_thread(broken.kill, node.name)
    async with limedb.connect(broken.nodes[0].address, timeout=5, idempotent=True, patient=True) as db:
        with pytest.raises(UnavailableError) as caught:
            await db.set(new_key(), "v")
    assert caught.value.tried == f"tried {sent.total()} times in {caught.value.tried.split()[-2]} s"
    assert 3 <= sent.total() <= MOST


async def test_what_every_node_refuses_is_carried_out_when_they_are_back(broken: RunningCluster) -> None:
    for node in broken.nodes[1:]:
        await asyncio.to_thread(broken.kill, node.name)
    async with limedb.connect(broken.nodes[0].address, timeout=120, idempotent=True, patient=True) as db:
        writes = [asyncio.create_task(db.set_many(values(50))) for _ in range(4)]
        for node in broken.nodes[1:]:
            await asyncio.to_thread(broken.restart, node.name)
        assert [len(receipts) for receipts in await asyncio.gather(*writes)] == [50] * 4
