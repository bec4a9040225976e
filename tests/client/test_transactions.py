"""Transactions of the client, against a real node and three real nodes.

Tests limedb/client/transactions.py and limedb/client/sync_coordination.py.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import limedb
from limedb.client import Entry, Transaction
from limedb.errors import ConditionFailedError, EditRefusedError, InvalidRequestError
from tests.support.clusters import RunningCluster


async def test_keys_change_together_if_they_have_what_they_must(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[0].address) as db:
        first = await (
            db.txn()
            .when("{txn:1}total", absent=True)
            .set("{txn:1}total", "1")
            .set("{txn:1}items", b"\x00apple", ttl=600)
            .increment("{txn:1}count", 5, initial=10)
            .delete("{txn:1}none")
            .get("{txn:1}total")
            .commit()
        )
        assert first
        assert first.results == (False, False, 15, False, None)
        assert first.receipt is not None
        total = await db.get_entry("{txn:1}total", consistency="linearizable")
        items = await db.get_entry("{txn:1}items")
        assert total == Entry("{txn:1}total", "1", 1, first.receipt.version, 0)
        assert items is not None
        assert (items.value, items.version) == (b"\x00apple", first.receipt.version)
        assert items.expires_at_ms > 0
        second = await (
            db.txn()
            .when("{txn:1}total", version=first.receipt.version)
            .when("{txn:1}items", value=b"\x01")
            .set("{txn:1}total", "2")
            .otherwise()
            .get("{txn:1}total")
            .set("{txn:1}failed", "yes")
            .commit()
        )
        assert not second
        assert second.results == (total, False)
        assert await db.get("{txn:1}failed") == "yes"
        nothing = await db.txn().when("{txn:1}total", exists=True).commit()
        assert (nothing.succeeded, nothing.results, nothing.receipt) == (True, (), None)


async def test_many_at_once_move_money_and_none_is_lost(cluster: RunningCluster) -> None:
    names = [f"{{bank}}{i}" for i in range(4)]

    async def move(address: str, number: int) -> None:
        async with limedb.connect(address, patient=True, timeout=60) as db:
            for turn in range(5):
                one, other = names[(number + turn) % 4], names[(number + 2 * turn + 1) % 4]
                if one != other:
                    await db.txn().increment(one, -7).increment(other, 7).commit()
                read = db.txn()
                for name in names:
                    read.get(name)
                seen = await read.commit()
                assert sum(int(entry.value or 0) for entry in seen.results if isinstance(entry, Entry)) == 400

    async with limedb.connect(cluster.nodes[0].address) as db:
        begin = db.txn()
        for name in names:
            begin.set(name, "100")
        await begin.commit()
        await asyncio.gather(*(move(cluster.nodes[i % 3].address, i) for i in range(6)))
        found = await db.get_many(names, consistency="linearizable")
        assert sum(map(int, found.values())) == 400
        assert {*found.values()} != {"100"}


async def test_single_writes_of_a_group_stand_beside_its_transactions(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[1].address) as db:
        await db.set_many({"{one}a": "1", "{one}b": "2", "plain": "3"})
        entry = await db.get_entry("{one}a")
        assert entry is not None
        await db.set("{one}a", "4", if_version=entry.version)
        with pytest.raises(ConditionFailedError) as failed:
            await db.set("{one}a", "5", if_version=entry.version)
        assert (failed.value.key, failed.value.value) == ("{one}a", "4")
        assert await db.increment("{one}n") == 1
        assert await db.get_and_delete("{one}b") == "2"
        assert await db.append("{one}a", "!") == 2
        assert await db.cas("{one}a", lambda value: f"{value}?") == "4!?"
        large = "x" * (4 << 20)
        await db.set("{one}large", large)
        assert await db.get("{one}large") == large


def test_a_client_without_asyncio_transacts(cluster: RunningCluster) -> None:
    with limedb.connect_sync(cluster.nodes[0].address) as db:
        result = db.txn().set("{sync}a", "1").set("{sync}b", "2").commit()
        assert result.succeeded
        assert db.txn().get("{sync}a").when("{sync}b", value="2").commit(timeout=5).results[0].value == "1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (lambda txn: txn, "names no key"),
        (lambda txn: txn.set("plain", "1"), "key 'plain' has no tag"),
        (lambda txn: txn.set("{a}1", "1").delete("{b}1"), "different tags"),
        (lambda txn: txn.set("{a}1", "1").delete("{a}1"), "written twice"),
        (lambda txn: txn.when("{a}1"), "compared with nothing"),
        (lambda txn: txn.when("{a}1", version=1, absent=True), "has version and absent: give one of them"),
        (lambda txn: txn.when("{a}1", value=None), "has value=None; .* give absent=True"),
        (lambda txn: txn.otherwise().otherwise(), r"two otherwise\(\)"),
        (lambda txn: txn.set("{a}1", "1", ttl=1, keep_ttl=True), "give one of ttl, expires_at and keep_ttl"),
        (lambda txn: txn.set("", "1"), "key is empty"),
        (lambda txn: txn.set("{a}1", 5), "value"),
        (lambda txn: txn.increment("{a}1", 1 << 63), "by="),
    ],
    ids=[
        "none",
        "no tag",
        "two tags",
        "twice",
        "nothing",
        "two conditions",
        "no value",
        "two cases",
        "two lives",
        "empty",
        "kind",
        "number",
    ],
)
async def test_what_no_transaction_may_have_is_refused(
    node: str, steps: Callable[[Transaction], Any], text: str
) -> None:
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match=text):
            await steps(db.txn()).commit()


async def test_what_can_not_be_counted_refuses_all(node: str) -> None:
    async with limedb.connect(node) as db:
        await db.set("{count}word", "many")
        with pytest.raises(EditRefusedError, match=r"key '\{count\}word' has no counter"):
            await db.txn().set("{count}a", "1").increment("{count}word").commit()
        assert await db.get("{count}a") is None
