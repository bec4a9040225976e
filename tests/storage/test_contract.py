"""The contract of every store, wherever it keeps its records."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from limedb.core.key_range import KeyRange
from limedb.core.layout import EVERYTHING
from limedb.core.record import Record, merge
from limedb.core.ring import TOKENS, token_of
from limedb.errors import InvalidKeyError, MalformedRequestError
from limedb.ports import Applied, Store
from limedb.storage.memory.store import MemoryStore
from tests.storage.kinds import FILESYSTEM, LMDB, MEMORY, NOW, Kind, text, tombstone

STANDS = Applied(0, existed=False)
LAST_TOKEN = TOKENS - 1
# Two keys of one token: the first lane of xxh64 takes the words at 0 and 32, and the second undoes the first.
TWINS = [f"{a:8}{'x' * 24}{b:8}{'x' * 24}" for a, b in [("aaaaaaaa", "bbbbbbbb"), ("ahifaaaa", "VL_rCW&'")]]
# Keys around what LMDB can hold as they are, with shared prefixes that end within and between characters.
PREFIXES = ["", "a" * 479, "a" * 480, "a" * 481, "é" * 240, "a" + "é" * 240, "🍋" * 120, "a" * 4000]
KEYS = st.builds(
    str.__add__, st.sampled_from(PREFIXES), st.text(st.sampled_from("\0ab/é\uffff🍋\U0010ffff"), max_size=4)
).filter(bool)
VALUES = st.one_of(st.none(), st.text(max_size=3), st.binary(max_size=3))
RECORDS = st.builds(Record, KEYS, VALUES, st.integers(1, 4), st.sampled_from([0, NOW - 1, NOW, NOW + 1]))
ALL_KINDS = pytest.mark.parametrize("kind", [LMDB, MEMORY, FILESYSTEM], ids=lambda kind: kind.name)


def stands_over(version: int) -> Applied:
    return Applied(0, existed=True, previous=version)


# --- reading ----------------------------------------------------------------------------------


def overtaken_by(version: int) -> Applied:
    return Applied(version, existed=True, previous=version)


async def test_a_key_that_was_never_written_has_no_record(store: Store) -> None:
    assert await store.get("a") is None
    assert await store.get_many(["a", "b"]) == [None, None]
    assert store.count() == 0
    assert store.high_water() == 0


@pytest.mark.parametrize(
    "record",
    [
        text("a", ""),
        Record("a", b"", 1),
        Record("a", bytes(range(256)), 1),
        text("a", "ça 🍋\0"),
        text("a", "x", 2**64 - 1, 2**63),
        text("a", "x", 0),
        Record("a", None, 7, NOW),
        text("k" * 4096),
        text("🍋" * 1024),
        text("\0"),
        text("a", "x" * (1 << 20)),
    ],
    ids=lambda record: f"{record.key[:3]!r}-{str(record.value)[:5]!r}-{record.version}",
)
async def test_a_record_comes_back_as_it_was(store: Store, record: Record) -> None:
    assert await store.apply([record], NOW) == [STANDS]
    assert await store.get(record.key) == record


async def test_many_keys_are_answered_in_their_order(store: Store) -> None:
    await store.apply([text("a"), text("b"), text("k" * 600)], NOW)
    found = await store.get_many(["k" * 600, "missing", "a", "a"])
    assert found == [text("k" * 600), None, text("a"), text("a")]


@pytest.mark.parametrize("key", ["k" * 480, "k" * 481, "k" * 600])
async def test_long_keys_that_differ_at_their_end_are_two(store: Store, key: str) -> None:
    await store.apply([text(key + "1", "one"), text(key + "2", "two"), text(key)], NOW)
    assert await store.get_many([key + "1", key + "2"]) == [text(key + "1", "one"), text(key + "2", "two")]


# --- merging ----------------------------------------------------------------------------------


async def test_what_is_no_key_is_refused_and_changes_nothing(store: Store) -> None:
    with pytest.raises(InvalidKeyError):
        await store.get("")
    with pytest.raises(InvalidKeyError):
        await store.apply([text("a"), text("")], NOW)
    with pytest.raises(MalformedRequestError):
        await store.apply([text("a"), text("\ud800")], NOW)
    with pytest.raises(MalformedRequestError):
        await store.get_many(["a", "\ud800"])
    with pytest.raises(MalformedRequestError):
        await store.scan_keys("\ud800", 1, NOW)
    assert await store.get("a") is None


async def test_the_newer_version_stands(store: Store) -> None:
    await store.apply([text("a", "old", 5)], NOW)
    assert await store.apply([text("a", "new", 6)], NOW) == [stands_over(5)]
    assert await store.get("a") == text("a", "new", 6)


async def test_an_older_version_gets_the_valid_record(store: Store) -> None:
    await store.apply([text("a", "new", 6)], NOW)
    assert await store.apply([text("a", "old", 5)], NOW) == [overtaken_by(6)]
    assert await store.get("a") == text("a", "new", 6)


async def test_the_same_write_again_stands(store: Store) -> None:
    await store.apply([text("a", "x", 5), tombstone("b", 5)], NOW)
    assert await store.apply([text("a", "x", 5), tombstone("b", 5)], NOW) == [
        stands_over(5),
        Applied(0, existed=False, previous=5),
    ]
    assert store.count() == 1


@pytest.mark.parametrize(
    ("loser", "winner"),
    [
        (text("a", "x", 5), tombstone("a", 5)),
        (text("a", "x", 5), text("a", "y", 5)),
        (text("a", "x", 5), Record("a", b"x", 5)),
        (text("a", "x", 5, NOW + 9), text("a", "x", 5)),
        (text("k" * 600, "x", 5), tombstone("k" * 600, 5)),
    ],
)
async def test_of_equal_versions_the_same_one_stands_in_either_order(
    kind: Kind, tmp_path: Path, loser: Record, winner: Record
) -> None:
    first, second = kind.open(tmp_path / "first"), kind.open(tmp_path / "second")
    assert await first.apply([loser], NOW) == [STANDS]
    assert await first.apply([winner], NOW) == [stands_over(5)]
    assert await second.apply([winner], NOW) == [STANDS]
    assert [a.superseded_by for a in await second.apply([loser], NOW)] == [5]
    for store in first, second:
        assert await store.get(winner.key) == winner
        assert store.count() == int(not winner.is_tombstone)
        await store.close()


async def test_existed_is_false_for_tombstones_and_for_what_has_expired(store: Store) -> None:
    await store.apply([tombstone("gone"), text("over", expires_at=NOW), text("on", expires_at=NOW + 1)], NOW)
    answers = await store.apply([text(key, version=2) for key in ("gone", "over", "on")], NOW)
    assert [answer.existed for answer in answers] == [False, False, True]


async def test_of_two_records_of_a_key_the_later_sees_the_earlier(store: Store) -> None:
    batch = [text("a", "1", 1), tombstone("a", 2), text("a", "3", 3), text("a", "0", 0)]
    answers = await store.apply(batch, NOW)
    assert answers == [STANDS, stands_over(1), Applied(0, existed=False, previous=2), overtaken_by(3)]
    assert await store.get("a") == text("a", "3", 3)
    assert store.count() == 1


async def test_concurrent_batches_see_each_other_in_their_order(store: Store) -> None:
    answers = await asyncio.gather(*(store.apply([text("a", str(v), v)], NOW) for v in (2, 1, 3, 2)))
    assert [a for [a] in answers] == [
        STANDS,
        overtaken_by(2),
        stands_over(2),
        overtaken_by(3),
    ]
    assert await store.get("a") == text("a", "3", 3)


# --- counting ---------------------------------------------------------------------------------


async def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert await store.apply([], NOW) == []


async def test_count_is_of_keys_with_a_value(store: Store) -> None:
    await store.apply([text("a"), text("b"), text("over", expires_at=NOW), tombstone("gone")], NOW)
    assert store.count() == 3
    await store.apply([tombstone("a", 2), tombstone("gone", 2), text("b", version=2)], NOW)
    assert store.count() == 2
    await store.apply([text("a", version=3)], NOW)
    assert store.count() == 3


async def test_high_water_is_the_greatest_version(store: Store) -> None:
    await store.apply([text("a", version=9), text("b", version=3)], NOW)
    await store.apply([tombstone("c", 7), text("a", version=8)], NOW)
    assert store.high_water() == 9


# --- scans ------------------------------------------------------------------------------------


async def test_stats_report_kind_keys_and_size(store: Store, kind: Kind) -> None:
    await store.apply([text("a"), text("b")], NOW)
    stats = store.stats()
    assert (stats.kind, stats.keys) == (kind.name, 2)
    assert stats.size > 0


async def test_keys_are_scanned_in_the_order_of_their_utf8(store: Store) -> None:
    keys = ["b", "a", "ab", "é", "🍋", "\uffff", "a/b", "k" * 480, "k" * 481, "k" * 479 + "z", "\0"]
    await store.apply([text(key) for key in keys], NOW)
    assert [r.key for r in await store.scan_keys(None, 99, NOW)] == sorted(keys, key=str.encode)


async def test_a_scan_leaves_out_what_is_deleted_or_expired(store: Store) -> None:
    await store.apply(
        [text("a"), tombstone("b"), text("c", expires_at=NOW), text("d", expires_at=NOW + 1)], NOW
    )
    assert [r.key for r in await store.scan_keys(None, 9, NOW)] == ["a", "d"]
    assert [r.key for r in await store.scan_keys("a", 9, NOW)] == ["d"]
    assert [r.key for r in await store.scan_keys(None, 9, NOW, skip=1)] == ["d"]
    assert await store.scan_keys(None, 0, NOW) == []


async def test_a_scan_behind_the_last_finds_nothing(store: Store) -> None:
    await store.apply([text("a"), text("k" * 600)], NOW)
    assert await store.scan_keys("k" * 600, 9, NOW) == []
    assert await store.scan_keys("z", 9, NOW) == []
    assert await store.scan_tokens(LAST_TOKEN, LAST_TOKEN, 9) == []


async def test_a_range_reports_what_is_stored_dead_records_too(store: Store) -> None:
    records = [text("b"), tombstone("c"), text("d", expires_at=NOW - 1), text("k" * 600), text("z")]
    await store.apply(records, NOW - 2)
    assert await store.scan_range(KeyRange(), 9, 1 << 20) == (records, True)
    assert await store.scan_range(KeyRange("c", "z"), 9, 1 << 20) == (records[1:4], True)
    assert await store.scan_range(KeyRange("c\0", "k" * 600), 9, 1 << 20) == (records[2:3], True)
    assert await store.scan_range(KeyRange("zz"), 9, 1 << 20) == ([], True)


async def test_a_page_of_a_range_ends_at_its_limits_and_says_so(store: Store) -> None:
    await store.apply([text(key, "v" * 1000) for key in "abcd"], NOW)
    for limit, max_bytes, keys, is_end in (
        (2, 1 << 20, "ab", False),
        (4, 1 << 20, "abcd", True),
        (9, 1500, "ab", False),
        (9, 1, "a", False),
    ):
        page = await store.scan_range(KeyRange(), limit, max_bytes)
        assert ("".join(record.key for record in page.records), page.is_end) == (keys, is_end)


async def test_a_large_page_of_a_range_is_like_a_small_one(store: Store) -> None:
    """Of many records, and of many bytes."""
    few = [text(f"a{n}", "v" * 100_000) for n in range(9)]
    many = [text(f"b{n:05}") for n in range(1000)]
    await store.apply([*few, *many], NOW)
    assert await store.scan_range(KeyRange(), 9, 1 << 30) == (few, False)
    assert await store.scan_range(KeyRange("b"), 5000, 1 << 30) == (many, True)


async def test_a_long_scan_is_like_a_short_one(store: Store) -> None:
    keys = [f"{n:05}" for n in range(2000)]
    await store.apply([text(key) if key > "00999" else tombstone(key) for key in keys], NOW)
    assert [r.key for r in await store.scan_keys(None, 5, NOW, skip=600)] == keys[1600:1605]
    assert [r.key for r in await store.scan_keys("01500", 10_000, NOW)] == keys[1501:]
    assert len(await store.scan_tokens(0, LAST_TOKEN, 10_000)) == 2000


async def test_tokens_are_scanned_with_tombstones_and_both_ends(store: Store) -> None:
    keys = [f"k{n}" for n in range(20)] + ["k" * 600]
    await store.apply([text(k) if n % 2 else tombstone(k) for n, k in enumerate(keys)], NOW)
    ordered = sorted((token_of(key), key) for key in keys)
    assert [(t, r.key) for t, r in await store.scan_tokens(0, LAST_TOKEN, 99)] == ordered
    start, end = ordered[3][0], ordered[8][0]
    assert [(t, r.key) for t, r in await store.scan_tokens(start, end, 99)] == ordered[3:9]
    assert [(t, r.key) for t, r in await store.scan_tokens(start, end, 2)] == ordered[3:5]
    assert await store.scan_tokens(end, start, 99) == []
    assert await store.scan_tokens(start, end, 0) == []


async def test_a_scan_of_tokens_gives_all_keys_of_the_last_one(store: Store) -> None:
    assert token_of(TWINS[0]) == token_of(TWINS[1])
    await store.apply([text(key) for key in [*TWINS, "a", "b", "c"]], NOW)
    token = token_of(TWINS[0])
    assert [r.key for _, r in await store.scan_tokens(token, LAST_TOKEN, 1)] == sorted(TWINS)


async def test_the_token_index_follows_the_record(store: Store) -> None:
    await store.apply([text("a", "1", 1)], NOW)
    await store.apply([text("a", "2", 2)], NOW)
    assert await store.scan_tokens(0, LAST_TOKEN, 9) == [(token_of("a"), text("a", "2", 2))]


def _modelled(batches: list[list[Record]]) -> dict[str, Record]:
    model: dict[str, Record] = {}
    for record in (r for batch in batches for r in batch):
        model[record.key] = merge(model[record.key], record) if record.key in model else record
    return model


async def digest_in_memory(records: list[Record]) -> int:
    [digest] = await MemoryStore(reversed(records)).digests([EVERYTHING], NOW)
    return digest


@ALL_KINDS
@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.lists(RECORDS, max_size=12), max_size=4),
    after=st.one_of(st.none(), KEYS),
    limit=st.integers(0, 6),
    skip=st.integers(0, 3),
    end=st.sampled_from(["", "\0"]),
)
@example([[text("a")]], "a", 1, 0, "")
@example([[text("a" * 480 + end) for end in ("", "b", "a", "🍋")]], "a" * 480 + "a", 6, 0, "\0")
def test_a_store_is_like_a_sorted_dict(
    kind: Kind, batches: list[list[Record]], after: str | None, limit: int, skip: int, end: str
) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = kind.open(Path(folder))
            for batch in batches:
                await store.apply(batch, NOW)
            await check(store, _modelled(batches))
            await store.close()

    async def check(store: Store, model: dict[str, Record]) -> None:
        ordered = [model[key] for key in sorted(model, key=str.encode)]
        live = [r for r in ordered if r.is_live(NOW) and (after is None or r.key.encode() > after.encode())]
        assert await store.scan_keys(after, limit, NOW, skip) == live[skip : skip + limit]
        start = "" if after is None else after + end
        within = [r for r in ordered if r.key.encode() >= start.encode()]
        page = await store.scan_range(KeyRange(start), limit, 1 << 20)
        assert page == (within[:limit], len(within) <= limit)
        assert await store.get_many(list(model)) == list(model.values())
        assert store.count() == sum(not r.is_tombstone for r in ordered)
        assert store.high_water() == max((r.version for r in ordered), default=0)
        by_token = sorted(((token_of(r.key), r) for r in ordered), key=lambda pair: (pair[0], pair[1].key))
        assert await store.scan_tokens(0, LAST_TOKEN, 999) == by_token
        listed = await store.entries([EVERYTHING])
        assert [(e.key, e.version) for e in listed] == [(r.key, r.version) for _, r in by_token]
        assert await store.digests([EVERYTHING], NOW) == [await digest_in_memory(ordered)]

    asyncio.run(run())
