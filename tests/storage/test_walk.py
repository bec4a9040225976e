"""The entries of every store, by which replicas are compared, and their removal.

Tests limedb/storage/entries.py and limedb/storage/memory/token_order.py.
"""

import asyncio
from pathlib import Path

import pytest

from limedb.core.hlc import version_at
from limedb.core.layout import EVERYTHING, Span
from limedb.core.record import Record
from limedb.core.ring import TOKENS, token_of
from limedb.errors import ResponseTooLargeError
from limedb.ports import Applied, IndexEntry, Store
from limedb.storage import walk as walking
from limedb.storage.memory.store import MemoryStore
from tests.storage.kinds import FILESYSTEM, LMDB, NOW, Kind, text, tombstone
from tests.storage.test_contract import TWINS

HOUR = 3_600_000
LONG = "k" * 600
RECORDS = [
    text("a"),
    Record("b", b"\xff", version_at(NOW)),
    tombstone("gone", version_at(NOW - HOUR)),
    text("over", expires_at=NOW - HOUR),
    text("runs", expires_at=NOW + HOUR),
    text(LONG + "1"),
    text(LONG + "2"),
    *map(text, TWINS),
    text("go", version=0),
]


def by_token(records: list[Record]) -> list[str]:
    return sorted((record.key for record in records), key=lambda key: (token_of(key), key))


def only(key: str) -> Span:
    return Span(token_of(key), token_of(key))


async def entry(store: Store, key: str) -> IndexEntry:
    [found] = [e for e in await store.entries([only(key)]) if e.key == key]
    return found


# --- entries ----------------------------------------------------------------------------------


async def test_entries_are_listed_by_token_and_key(store: Store) -> None:
    await store.apply(RECORDS, NOW)
    assert [e.key for e in await store.entries([EVERYTHING])] == by_token(RECORDS)


async def test_entries_report_the_version_and_when_it_ended(store: Store) -> None:
    await store.apply(RECORDS, NOW)
    found = {e.key: (e.version, e.ends_at) for e in await store.entries([EVERYTHING])}
    assert found["a"] == (1, 0)
    assert found["b"] == (version_at(NOW), 0)
    assert found["gone"] == (version_at(NOW - HOUR), NOW - HOUR)
    assert found["over"] == (1, NOW - HOUR)
    assert found["runs"] == (1, NOW + HOUR)


async def test_entries_are_of_the_spans_asked_both_ends_included(store: Store) -> None:
    await store.apply([text(f"k{n}") for n in range(50)], NOW)
    ordered = sorted((token_of(f"k{n}"), f"k{n}") for n in range(50))
    spans = [Span(ordered[3][0], ordered[5][0]), Span(ordered[9][0], ordered[9][0])]
    assert [e.key for e in await store.entries(spans)] == [key for _, key in [*ordered[3:6], ordered[9]]]
    assert await store.entries([]) == []


async def test_entries_of_the_first_and_the_last_token_are_found(store: Store) -> None:
    await store.apply(RECORDS, NOW)
    ordered = by_token(RECORDS)
    last = token_of(ordered[-1])
    assert [e.key for e in await store.entries([Span(last, TOKENS - 1)])] == [ordered[-1]]
    assert [e.key for e in await store.entries([Span(0, token_of(ordered[0]))])] == [ordered[0]]


async def test_an_entry_follows_its_record(store: Store) -> None:
    await store.apply([text("a", "1", 1)], NOW)
    first = await entry(store, "a")
    await store.apply([tombstone("a", version_at(NOW))], NOW)
    second = await entry(store, "a")
    assert (second.version, second.ends_at) == (version_at(NOW), NOW)
    assert second.checksum != first.checksum
    await store.apply([text("a", "1", version_at(NOW) + 1)], NOW)
    assert (await entry(store, "a")).ends_at == 0


async def test_equal_versions_of_unequal_values_have_unequal_checksums(kind: Kind, tmp_path: Path) -> None:
    first, second = kind.open(tmp_path / "first"), kind.open(tmp_path / "second")
    await first.apply([text("a", "x", 5)], NOW)
    await second.apply([text("a", "y", 5)], NOW)
    assert (await entry(first, "a")).checksum != (await entry(second, "a")).checksum
    assert await first.digests([EVERYTHING], 0) != await second.digests([EVERYTHING], 0)
    await first.close()
    await second.close()


async def test_a_list_that_would_fill_the_memory_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "MAX_LIST_SIZE", 1000)
    await store.apply([text(f"k{n}") for n in range(100)], NOW)
    with pytest.raises(ResponseTooLargeError, match="ask for smaller spans"):
        await store.entries([EVERYTHING])
    assert await store.entries([only("k1")])


# --- digests ----------------------------------------------------------------------------------


async def test_all_kinds_of_stores_have_the_digests_of_what_they_hold(kind: Kind, tmp_path: Path) -> None:
    store, model = kind.open(tmp_path), MemoryStore()
    records = RECORDS + [text(f"k{n}", str(n), n) for n in range(1500)]
    await store.apply(records, NOW)
    for record in reversed(records):
        await model.apply([record], NOW)
    quarter = TOKENS // 4
    spans = [EVERYTHING, *(Span(i * quarter, (i + 1) * quarter - 1) for i in range(4)), *map(only, TWINS)]
    for cutoff in (0, NOW - HOUR, NOW - HOUR + 1, NOW + HOUR + 1):
        assert await store.digests(spans, cutoff) == await model.digests(spans, cutoff)
    await store.close()


async def test_a_digest_changes_with_any_record_and_comes_back_with_it(store: Store) -> None:
    await store.apply(RECORDS, NOW)
    [before] = await store.digests([EVERYTHING], 0)
    await store.apply([text("new")], NOW)
    [more] = await store.digests([EVERYTHING], 0)
    assert more != before
    assert await store.purge([await entry(store, "new")]) == 1
    assert await store.digests([EVERYTHING], 0) == [before]


async def test_a_span_without_entries_has_the_digest_zero(store: Store) -> None:
    assert await store.digests([EVERYTHING, only("a")], 0) == [0, 0]
    await store.apply([text("a")], NOW)
    empty = [Span(0, token_of("a") - 1), Span(token_of("a") + 1, TOKENS - 1)]
    assert await store.digests([*empty, only("a")], 0) == [0, 0, *await store.digests([EVERYTHING], 0)]
    assert await store.digests([], 0) == []


@pytest.mark.parametrize("ended", [tombstone("a", version_at(NOW - HOUR)), text("a", expires_at=NOW - HOUR)])
async def test_a_digest_leaves_out_what_ended_before_the_cutoff(store: Store, ended: Record) -> None:
    await store.apply([ended], NOW)
    assert await store.digests([EVERYTHING], NOW - HOUR + 1) == [0]
    assert await store.digests([EVERYTHING], NOW - HOUR) != [0]
    await store.apply([text("b")], NOW)
    alone = MemoryStore([text("b")])
    assert await store.digests([EVERYTHING], NOW) == await alone.digests([EVERYTHING], NOW)


async def test_the_event_loop_turns_while_digests_are_made(kind: Kind, tmp_path: Path) -> None:
    if kind is FILESYSTEM:
        return
    store = kind.open(tmp_path)
    await store.apply([text(f"k{n}") for n in range(20 * walking.SLICE)], NOW)
    digesting = asyncio.ensure_future(store.digests([EVERYTHING], 0))
    turns = 0
    while not digesting.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 20
    await store.close()


# --- garbage ----------------------------------------------------------------------------------


async def test_garbage_is_what_ended_before_the_cutoff(store: Store) -> None:
    await store.apply(RECORDS, NOW)
    found, behind = await store.garbage(EVERYTHING, NOW, 99)
    assert [e.key for e in found] == by_token([text("gone"), text("over")])
    assert behind == TOKENS
    assert await store.garbage(EVERYTHING, NOW - HOUR, 99) == ([], TOKENS)


async def test_garbage_comes_in_pages(store: Store) -> None:
    await store.apply([tombstone(f"k{n}") for n in range(25)] + [text(f"v{n}") for n in range(25)], NOW)
    found: list[IndexEntry] = []
    span = EVERYTHING
    pages = 0
    while span.first < TOKENS:
        page, behind = await store.garbage(span, NOW, 10)
        found += page
        pages += 1
        if behind == TOKENS:
            break
        span = Span(behind, TOKENS - 1)
    assert [e.key for e in found] == by_token([text(f"k{n}") for n in range(25)])
    assert pages == 3


async def test_a_page_of_garbage_has_all_keys_of_its_last_token(store: Store) -> None:
    await store.apply([*map(tombstone, TWINS), tombstone("a"), tombstone("b")], NOW)
    page, behind = await store.garbage(Span(token_of(TWINS[0]), TOKENS - 1), NOW, 1)
    assert sorted(e.key for e in page) == sorted(TWINS)
    assert behind > token_of(TWINS[0])


# --- purging ----------------------------------------------------------------------------------


async def test_what_is_purged_leaves_no_trace(store: Store) -> None:
    await store.apply(RECORDS, NOW)
    gone = ["gone", "over", LONG + "1", TWINS[0]]
    assert await store.purge([await entry(store, key) for key in gone]) == 4
    left = [record for record in RECORDS if record.key not in gone]
    assert await store.get_many(gone) == [None] * 4
    assert [e.key for e in await store.entries([EVERYTHING])] == by_token(left)
    assert [r.key for _, r in await store.scan_tokens(0, TOKENS - 1, 99)] == by_token(left)
    assert [r.key for r in await store.scan_keys(None, 99, NOW)] == sorted(r.key for r in left)
    assert store.count() == len(left)
    assert await store.apply([text("gone")], NOW) == [Applied(0, existed=False)]


async def test_purging_keeps_the_count_and_the_high_water(store: Store) -> None:
    await store.apply([text("a"), text("b"), tombstone("c", 9)], NOW)
    assert await store.purge([await entry(store, key) for key in "ac"]) == 2
    assert (store.count(), store.high_water()) == (1, 9)
    assert store.stats().keys == 1


async def test_a_purge_leaves_what_has_changed(store: Store) -> None:
    await store.apply([tombstone("a", 1), tombstone("b", 1)], NOW)
    old = [await entry(store, "a"), await entry(store, "b")]
    await store.apply([text("a", "new", 2)], NOW)
    assert await store.purge([old[0], old[1]._replace(checksum=old[1].checksum ^ 1)]) == 0
    assert await store.get_many(["a", "b"]) == [text("a", "new", 2), tombstone("b", 1)]


async def test_a_purge_leaves_a_newer_write_that_is_on_its_way(store: Store) -> None:
    await store.apply([tombstone("a", 1)], NOW)
    old = await entry(store, "a")
    write = asyncio.ensure_future(store.apply([text("a", "new", 2)], NOW))
    await asyncio.sleep(0)
    assert await store.purge([old]) == 0
    assert await write == [Applied(0, existed=False, previous=1)]
    assert await store.get("a") == text("a", "new", 2)
    assert store.count() == 1


async def test_a_write_behind_a_purge_finds_nothing(store: Store) -> None:
    await store.apply([text("a", "old", 5, NOW - 1)], NOW)
    purge = asyncio.ensure_future(store.purge([await entry(store, "a")]))
    await asyncio.sleep(0)
    assert await store.apply([text("a", "older", 4)], NOW) == [Applied(0, existed=False)]
    assert await purge == 1
    assert await store.get("a") == text("a", "older", 4)
    assert store.count() == 1


async def test_purging_twice_or_nothing_is_nothing(store: Store) -> None:
    await store.apply([text("a"), text("b")], NOW)
    found = await entry(store, "a")
    assert await store.purge([found, found]) == 1
    assert await store.purge([found]) == 0
    assert await store.purge([IndexEntry("never", 1, 1, 1)]) == 0
    assert await store.purge([]) == 0
    assert store.count() == 1


async def test_many_are_purged_while_others_write(store: Store, kind: Kind) -> None:
    count = 30 if kind is FILESYSTEM else 500
    keys = [f"k{n}" for n in range(count)]
    await store.apply([text(key) for key in keys], NOW)
    listed = await store.entries([EVERYTHING])
    purging = asyncio.ensure_future(store.purge(listed))
    kept = [text(key, "new", 2) for key in keys[::3]]
    await asyncio.gather(*(store.apply([record], NOW) for record in kept))
    await purging
    assert await store.get_many([r.key for r in kept]) == kept
    assert store.count() == len(kept) == len(await store.entries([EVERYTHING]))


@pytest.mark.parametrize("kind", [LMDB, FILESYSTEM], ids=lambda kind: kind.name)
async def test_what_was_purged_stays_away_after_a_restart(kind: Kind, tmp_path: Path) -> None:
    store = kind.open(tmp_path)
    await store.apply(RECORDS, NOW)
    await store.purge([await entry(store, "gone"), await entry(store, "a")])
    [digest] = await store.digests([EVERYTHING], 0)
    await store.close()
    again = kind.open(tmp_path)
    assert await again.get_many(["gone", "a"]) == [None, None]
    assert again.count() == 8
    assert await again.digests([EVERYTHING], 0) == [digest]
    await again.close()
