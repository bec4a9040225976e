"""What every store keeps over restarts, snapshots, its close, and callers that go away."""

import asyncio
from pathlib import Path

import pytest

from limedb.core.key_range import KeyRange
from limedb.core.layout import EVERYTHING
from limedb.core.record import Record
from limedb.errors import StoreClosedError, StoreError
from limedb.ports import IndexEntry, Store
from tests.storage.kinds import FILESYSTEM, LMDB, NOW, Kind, text, tombstone
from tests.storage.test_contract import STANDS


@pytest.mark.parametrize("kind", [LMDB, FILESYSTEM], ids=lambda kind: kind.name)
async def test_a_restart_keeps_everything(kind: Kind, tmp_path: Path) -> None:
    records = [text("a", version=9), Record("b", b"\xff", 2, NOW), tombstone("c", 3), text("k" * 600)]
    before = kind.open(tmp_path)
    await before.apply(records, NOW)
    await before.close()
    after = kind.open(tmp_path)
    assert await after.get_many([r.key for r in records]) == records
    assert (after.count(), after.high_water()) == (3, 9)
    assert [r.key for r in await after.scan_keys(None, 9, NOW)] == ["a", "k" * 600]
    await after.close()


@pytest.mark.parametrize("kind", [LMDB, FILESYSTEM], ids=lambda kind: kind.name)
async def test_a_second_opener_learns_who_holds_the_data(kind: Kind, tmp_path: Path) -> None:
    store = kind.open(tmp_path)
    with pytest.raises(StoreError, match=r"n\.\w+ is in use by process \d+: this node runs already"):
        kind.open(tmp_path)
    await store.close()
    await kind.open(tmp_path).close()


async def test_a_snapshot_opens_again(store: Store, kind: Kind, tmp_path: Path) -> None:
    records = [text("a", version=9), Record("b", b"\xff", 2, NOW), tombstone("c", 3), text("k" * 600, "")]
    await store.apply(records, NOW)
    folder = tmp_path / "copies" / "first"
    await store.snapshot(str(folder))
    await store.apply([text("d")], NOW)
    copy = kind.restore(folder)
    assert await copy.get_many(["a", "b", "c", "k" * 600, "d"]) == [*records, None]
    assert (copy.count(), copy.high_water()) == (3, 9)
    await copy.close()


async def test_a_snapshot_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "letter").write_text("dear")
    with pytest.raises(StoreError, match="mine is not empty"):
        await store.snapshot(str(folder))
    assert [path.name for path in folder.iterdir()] == ["letter"]


async def test_close_finishes_what_was_accepted(kind: Kind, tmp_path: Path) -> None:
    store = kind.open(tmp_path)
    writes = [asyncio.ensure_future(store.apply([text(f"k{n}")], NOW)) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*writes) == [[STANDS]] * 20


async def test_a_closed_store_refuses_everything(kind: Kind, tmp_path: Path) -> None:
    store = kind.open(tmp_path)
    await asyncio.gather(store.close(), store.close())
    await store.close()
    for call in (
        store.get("a"),
        store.get_many(["a"]),
        store.apply([text("a")], NOW),
        store.apply([], NOW),
        store.scan_keys(None, 1, NOW),
        store.scan_range(KeyRange(), 1, 1),
        store.scan_range(KeyRange(), 1000, 1),
        store.scan_tokens(0, 1, 1),
        store.scan_tokens(0, 1, 10_000),
        store.digests([EVERYTHING], 0),
        store.entries([EVERYTHING]),
        store.garbage(EVERYTHING, NOW, 1),
        store.purge([IndexEntry("a", 1, 1, 1)]),
        store.snapshot(str(tmp_path / "copy")),
    ):
        with pytest.raises(StoreClosedError):
            await call
    for ask in (store.count, store.high_water, store.stats):
        with pytest.raises(StoreClosedError):
            ask()


async def test_a_caller_that_is_cancelled_disturbs_nobody(store: Store) -> None:
    cancelled = asyncio.ensure_future(store.apply([text("a")], NOW))
    other = asyncio.ensure_future(store.apply([text("b")], NOW))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await other == [STANDS]
    assert await store.apply([text("c")], NOW) == [STANDS]
    assert await store.get_many(["b", "c"]) == [text("b"), text("c")]
