"""Conditional writes and read-modify-write, against a real node and three real nodes.

Tests limedb/client/swaps.py and limedb/client/counters.py.
"""

import asyncio
from datetime import timedelta

import pytest

import limedb
from limedb.client import Entry
from limedb.client.client import Client
from limedb.errors import (
    ConditionFailedError,
    ContendedError,
    EditRefusedError,
    OutcomeUnknownError,
    RequestTimeoutError,
)
from tests.support.clusters import RunningCluster


async def test_a_read_has_version_and_expiry(node: str) -> None:
    async with limedb.connect(node) as db:
        receipt = await db.set("entry/text", "hello")
        assert await db.get_entry("entry/text") == Entry("entry/text", "hello", 5, receipt.version, 0)
        receipt = await db.set("entry/bytes", b"\xff", ttl=600)
        entry = await db.get_entry("entry/bytes")
        assert entry is not None
        assert (entry.value, entry.size, entry.version) == (b"\xff", 1, receipt.version)
        assert entry.expires_at_ms > 0
        assert await db.get_entry("entry/none") is None


async def test_many_entries_travel_together(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[0].address) as db:
        receipts = await db.set_many({f"entries/{n}": str(n) for n in range(50)})
        entries = await asyncio.gather(*(db.get_entry(key) for key in receipts))
        scanned = {entry.key: entry async for entry in db.scan("entries/")}
        assert {entry.key: entry for entry in entries if entry is not None} == scanned
        assert {key: entry.version for key, entry in scanned.items()} == {
            key: receipt.version for key, receipt in receipts.items()
        }


async def test_a_write_requires_what_its_key_has(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[0].address) as db:
        first = await db.set("cas/a", "1", if_absent=True)
        with pytest.raises(ConditionFailedError, match="it has version") as caught:
            await db.set("cas/a", "2", if_absent=True)
        assert (caught.value.version, caught.value.value) == (first.version, "1")
        second = await db.set("cas/a", "2", if_version=first.version)
        assert second.version > first.version
        with pytest.raises(ConditionFailedError):
            await db.set("cas/a", "3", if_version=first.version)
        await db.set("cas/a", "3", if_value="2")
        await db.set("cas/a", b"4", if_exists=True)
        with pytest.raises(ConditionFailedError) as caught:
            await db.set("cas/a", "5", if_value="4")  # text and bytes differ
        assert caught.value.value == b"4"
        with pytest.raises(ConditionFailedError, match="it has no value") as caught:
            await db.set("cas/none", "1", if_exists=True)
        assert (caught.value.version, caught.value.value) == (0, None)
        assert await db.get("cas/none") is None


async def test_a_delete_requires_what_its_key_has(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[1].address) as db:
        receipt = await db.set("cas/d", "1")
        with pytest.raises(ConditionFailedError):
            await db.delete("cas/d", if_version=receipt.version - 1)
        assert await db.delete("cas/d", if_version=receipt.version)
        with pytest.raises(ConditionFailedError):
            await db.delete("cas/d", if_exists=True)
        await db.set("cas/d", "2", if_version=0)


async def test_a_life_is_kept(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[2].address) as db:
        await db.set("cas/life", "1", ttl=timedelta(hours=1))
        before = await db.get_entry("cas/life")
        await db.set("cas/life", "2", keep_ttl=True)
        after = await db.get_entry("cas/life")
        assert before is not None
        assert after is not None
        assert (after.value, after.expires_at_ms) == ("2", before.expires_at_ms)
        await db.set("cas/life", "3", if_value="2")
        ended = await db.get_entry("cas/life")
        assert ended is not None
        assert ended.expires_at_ms == 0


def test_a_swap_starts_over_when_somebody_was_faster(node: str) -> None:
    with limedb.connect_sync(node) as db:
        seen: list[object] = []

        def edit(old: object) -> str:
            seen.append(old)
            if len(seen) < 3:
                db.set("swap/a", f"other {len(seen)}")
            return f"{old}, and mine"

        assert db.cas("swap/a", edit) == "other 2, and mine"
        assert seen == [None, "other 1", "other 2"]
        assert db.get("swap/a") == "other 2, and mine"


def test_a_swap_gives_up_at_its_timeout_and_has_written_nothing(node: str) -> None:
    with limedb.connect_sync(node) as db:

        def edit(_old: object) -> str:
            db.set("swap/busy", "theirs")
            return "mine"

        # Unknown: the time ended within a try, which can't succeed either.
        with pytest.raises((ContendedError, OutcomeUnknownError), match=r"tried \d+ times|unknown"):
            db.cas("swap/busy", edit, timeout=1.0)
        assert db.get("swap/busy") == "theirs"


def test_a_swap_deletes_and_an_error_of_the_edit_ends_it(node: str) -> None:
    with limedb.connect_sync(node) as db:
        db.set("swap/gone", "x")
        assert db.cas("swap/gone", lambda _old: None) is None
        assert db.get("swap/gone") is None
        assert db.cas("swap/gone", lambda _old: None) is None
        with pytest.raises(ZeroDivisionError):
            db.cas("swap/gone", lambda _old: str(1 // 0))


def test_a_counter_refuses_what_is_no_number(node: str) -> None:
    with limedb.connect_sync(node) as db:
        counter = db.counter("count/sync")
        assert (counter.get(), counter.add(), counter.add(-3), counter.get()) == (0, 1, -2, -2)
        db.set("count/word", "many")
        for call in (db.counter("count/word").add, db.counter("count/word").get):
            with pytest.raises(EditRefusedError, match="has no counter: that is a whole number"):
                call()


async def test_those_of_one_client_take_turns(node: str) -> None:
    """Each is called once: nobody of them is too slow."""
    calls: list[object] = []

    def edit(old: object) -> str:
        calls.append(old)
        return f"{old}x"

    async with limedb.connect(node, timeout=60) as db:
        await asyncio.gather(*(db.cas("swap/turns", edit) for _ in range(8)))
        assert await db.get("swap/turns") == "None" + "x" * 8
    assert len(calls) == 8


def test_a_turn_that_never_comes_ends_with_the_time(node: str) -> None:
    with limedb.connect_sync(node) as db:

        def edit(_old: object) -> str:
            with pytest.raises(RequestTimeoutError, match="the others of this client that change") as caught:
                db.cas("swap/nested", lambda _old: "inner", timeout=0.1)
            assert caught.value.nothing_written
            return "outer"

        assert db.cas("swap/nested", edit) == "outer"
        assert db.get("swap/nested") == "outer"


async def test_no_increment_of_many_is_lost(cluster: RunningCluster) -> None:
    clients = [limedb.connect(node.address, timeout=120, patient=True) for node in cluster.nodes]

    async def count(db: Client) -> list[int]:
        return [await db.counter("count/shared").add() for _ in range(10)]

    for db in clients:
        await db.open()
    try:
        sums = await asyncio.gather(*(count(clients[n % 3]) for n in range(16)))
        assert await clients[0].counter("count/shared").get() == 160
    finally:
        for db in clients:
            await db.close()
    assert sorted(number for each in sums for number in each) == list(range(1, 161))
