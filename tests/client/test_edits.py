"""Changes of a key by what it has, against a real node and three real nodes.

Tests limedb/client/edits.py and limedb/client/edit_calls.py.
"""

import asyncio

import pytest

import limedb
from limedb.core.edits import LEAST_NUMBER, MOST_NUMBER
from limedb.errors import EditRefusedError, InvalidRequestError, UnsupportedError, ValueTooLargeError
from tests.client.test_old_nodes import old_node
from tests.support.clusters import RunningCluster


async def test_a_counter_adds_up_from_where_it_begins(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[0].address) as db:
        assert await db.increment("edit/n") == 1
        assert await db.increment("edit/n", 5) == 6
        assert await db.increment("edit/n", by=-10) == -4
        assert await db.get("edit/n") == "-4"
        assert await db.increment("edit/from", initial=100, ttl=600) == 101
        first = await db.get_entry("edit/from")
        assert await db.increment("edit/from", 0, initial=7) == 101
        second = await db.get_entry("edit/from")
        assert first is not None
        assert second is not None
        assert second.expires_at_ms == first.expires_at_ms > 0
        assert await db.increment("edit/zero", 0) == 0


async def test_what_is_no_counter_is_left_alone(node: str) -> None:
    async with limedb.connect(node) as db:
        for value in ("many", b"5", "007"):
            await db.set("edit/word", value)
            with pytest.raises(EditRefusedError, match="key 'edit/word' has no counter") as caught:
                await db.increment("edit/word")
            assert (caught.value.why, caught.value.nothing_written) == ("no_counter", True)
            assert await db.get("edit/word") == value
        assert await db.increment("edit/most", MOST_NUMBER) == MOST_NUMBER
        with pytest.raises(EditRefusedError, match="leave the range"):
            await db.increment("edit/most")
        assert await db.increment("edit/most", LEAST_NUMBER) == -1
        with pytest.raises(InvalidRequestError, match="their sum must be an int64"):
            await db.increment("edit/never", 1, initial=MOST_NUMBER)
        for wrong in (1.5, True, "1", MOST_NUMBER + 1):
            with pytest.raises(InvalidRequestError, match="by="):
                await db.increment("edit/never", wrong)  # type: ignore[arg-type]
        assert await db.get("edit/never") is None


async def test_content_is_added_to_the_end_of_its_own_kind(node: str) -> None:
    async with limedb.connect(node) as db:
        assert await db.append("edit/log", "ä") == 2
        assert await db.append("edit/log", "b") == 3
        assert await db.append("edit/log", "") == 3
        assert await db.get("edit/log") == "äb"
        assert await db.append("edit/pixels", b"\xff") == 1
        assert await db.append("edit/pixels", b"\x00") == 2
        assert await db.get("edit/pixels") == b"\xff\x00"
        with pytest.raises(EditRefusedError, match="has bytes, and text was to be added"):
            await db.append("edit/pixels", "text")
        with pytest.raises(EditRefusedError, match="has text, and bytes were to be added"):
            await db.append("edit/log", b"bytes")
        await db.set("edit/large", "x" * (4 << 20))
        with pytest.raises(ValueTooLargeError):
            await db.append("edit/large", "x")


async def test_a_swap_returns_the_value_before(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[0].address) as db:
        assert await db.get_and_set("edit/s", "1", ttl=600) is None
        assert await db.get_and_set("edit/s", b"2", keep_ttl=True) == "1"
        entry = await db.get_entry("edit/s")
        assert entry is not None
        assert entry.expires_at_ms > 0
        assert await db.get_and_set("edit/s", "3") == b"2"
        taken = await asyncio.gather(*(db.get_and_delete("edit/s") for _ in range(5)))
        assert sorted(taken, key=str) == ["3", None, None, None, None]
        assert await db.get("edit/s") is None
        with pytest.raises(InvalidRequestError, match="keep_ttl and a ttl"):
            await db.get_and_set("edit/s", "4", 5, keep_ttl=True)
        await db.set("edit/large", "x" * (3 << 20))
        with pytest.raises(EditRefusedError, match="too large to be kept beside the new one"):
            await db.get_and_set("edit/large", "y" * (2 << 20))
        found = await db.get_and_delete("edit/large")
        assert found == "x" * (3 << 20)


def test_the_synchronous_client_does_the_same(node: str) -> None:
    with limedb.connect_sync(node) as db:
        assert db.increment("edit/sync", 2, initial=40) == 42
        assert db.append("edit/sync", "!", ttl=5) == 3
        assert db.get_and_set("edit/sync", "new", 60) == "42!"
        assert db.get_and_delete("edit/sync") == "new"
        assert db.get_and_delete("edit/sync") is None
        assert db.counter("edit/sync").add(3) == 3


async def test_nodes_that_know_no_edits_are_not_asked(node: str) -> None:
    async with old_node(node) as (address, _), limedb.connect(address, follow_ring=False) as db:
        for call in (
            db.increment("edit/old"),
            db.append("edit/old", "x"),
            db.get_and_set("edit/old", "x"),
            db.get_and_delete("edit/old"),
        ):
            with pytest.raises(UnsupportedError, match="Upgrade all nodes first"):
                await call
