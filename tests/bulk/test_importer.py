"""Imports: order, progress, errors; into a store that fails when told to."""

import asyncio
import time
from collections.abc import Iterator, Mapping

import pytest

from limedb.bulk import chunks
from limedb.bulk.importer import IN_FLIGHT, Counts, Importer
from limedb.bulk.items import Content, Item, Line, Place
from limedb.client import Receipt, Value
from limedb.errors import (
    BadItemError,
    BulkError,
    LimeDBError,
    PartialFailureError,
    UnavailableError,
    ValueTooLargeError,
)

START = Place()
RECEIPT = Receipt(1, 1, 1, 1)


class Keys:
    """A store in a dict. Batches take turns; at_once: none ends before so many have begun, however slowly the
    file is read; fails_at: the number of the batch that finds nobody.
    """

    def __init__(self, fails_at: int | None = None, at_once: int = 1) -> None:
        self.values: dict[str, Value] = {}
        self.ttls: dict[str, float] = {}
        self.moments: dict[str, float] = {}
        self.bad: set[str] = set()
        self.batches = self.under_way = self.most_under_way = 0
        self._busy: set[str] = set()
        self._fails_at, self._at_once = fails_at, at_once
        self._are_many = asyncio.Event()

    async def set_many(
        self, values: Mapping[str, Value], ttl: Mapping[str, float], *, expires_at: Mapping[str, float]
    ) -> dict[str, Receipt]:
        assert self._busy.isdisjoint(values), "two writes of one key under way"
        self._busy.update(values)
        self.batches += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        number = self.batches
        if number == self._at_once:
            self._are_many.set()
        await self._are_many.wait()
        for _ in range(3 + number % 4):  # batches end in another order than they began
            await asyncio.sleep(0)
        self._busy.difference_update(values)
        self.under_way -= 1
        if number == self._fails_at:
            raise UnavailableError("nobody there")
        self.values.update({key: value for key, value in values.items() if key not in self.bad})
        self.ttls.update(ttl)
        self.moments.update(expires_at)
        errors: dict[str, LimeDBError] = {k: ValueTooLargeError(k, 2, 1) for k in self.bad & set(values)}
        if errors:
            raise PartialFailureError(errors, len(values))
        return dict.fromkeys(values, RECEIPT)


def numbered(contents: list[Content], start: Place = START) -> Iterator[Line]:
    for at, content in enumerate(contents[start.offset :], start.offset + 1):
        yield Line(at, Place(at, at), content)


class Run:
    """An import with all that it told."""

    def __init__(self, store: Keys, place: Place = START, stop_on_error: bool = False) -> None:
        self.told: list[int] = []
        self.importer = Importer(
            store, place, Counts(), lambda n, _error: self.told.append(n), lambda: None, stop_on_error
        )


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "BATCH", 10)


async def test_all_items_are_stored_many_batches_at_once() -> None:
    store = Keys(at_once=2)
    run = Run(store)
    await run.importer.run(numbered([Item(f"k{n}", f"v{n}") for n in range(1005)]))
    assert store.values == {f"k{n}": f"v{n}" for n in range(1005)}
    assert (run.importer.counts, run.importer.place) == (Counts(stored=1005), Place(1005, 1005))
    assert 2 <= store.most_under_way <= IN_FLIGHT


async def test_no_more_than_some_batches_are_under_way() -> None:
    store = Keys(at_once=IN_FLIGHT)
    await Run(store).importer.run(numbered([Item(f"k{n}", "v") for n in range(205)]))
    assert store.most_under_way == IN_FLIGHT


async def test_of_two_lines_with_one_key_the_later_stands() -> None:
    store = Keys()
    await Run(store).importer.run(numbered([Item(f"k{n % 7}", str(n)) for n in range(500)]))
    assert store.values == {f"k{n % 7}": str(n) for n in range(493, 500)}


async def test_bad_lines_are_reported_and_the_others_stored() -> None:
    store = Keys()
    store.bad = {"k5"}
    contents: list[Content] = [Item(f"k{n}", "v") for n in range(20)]
    contents[3], contents[4] = BadItemError("no"), None
    run = Run(store)
    await run.importer.run(numbered(contents))
    assert sorted(run.told) == [4, 6]
    assert run.importer.counts == Counts(stored=17, failed=2)


async def test_it_stops_at_the_first_bad_line_when_told_to() -> None:
    store = Keys()
    contents: list[Content] = [Item(f"k{n}", "v") for n in range(40)]
    contents[25] = BadItemError("no")
    run = Run(store, stop_on_error=True)
    with pytest.raises(BulkError, match="line 26"):
        await run.importer.run(numbered(contents))
    assert run.importer.place.offset <= 25
    assert "k26" not in store.values


async def test_times_to_live_are_kept_and_what_has_expired_is_left_out() -> None:
    store = Keys()
    now = time.time_ns() // 1_000_000
    items: list[Content] = [
        Item("ever", "v"),
        Item("minute", "v", ttl_ms=60_000),
        Item("hour", "v", expires_at_ms=now + 3_600_000),
        Item("over", "v", expires_at_ms=now - 1),
    ]
    run = Run(store)
    await run.importer.run(numbered(items))
    assert store.ttls == {"minute": 60}
    assert store.moments == {"hour": (now + 3_600_000) / 1000}
    assert (set(store.values), store.batches) == ({"ever", "minute", "hour"}, 1)
    assert run.importer.counts == Counts(stored=3, expired=1)


@pytest.mark.parametrize("fails_at", range(1, 31, 3))
async def test_an_interrupted_import_continues_and_loses_nothing(fails_at: int) -> None:
    contents: list[Content] = [Item(f"k{n}", f"v{n}") for n in range(300)]
    store = Keys(fails_at, at_once=2)
    first = Run(store)
    with pytest.raises(UnavailableError):
        await first.importer.run(numbered(contents))
    place = first.importer.place
    assert all(f"k{n}" in store.values for n in range(place.offset))
    assert first.importer.counts.stored == place.offset
    second = Run(store, place)
    await second.importer.run(numbered(contents, place))
    assert store.values == {f"k{n}": f"v{n}" for n in range(300)}
    assert first.importer.counts.stored + second.importer.counts.stored == 300


async def test_a_file_that_breaks_off_is_reported_after_what_came_before_is_stored() -> None:
    def broken() -> Iterator[Line]:
        yield from numbered([Item(f"k{n}", "v") for n in range(15)])
        raise BulkError("broken")

    store = Keys()
    run = Run(store)
    with pytest.raises(BulkError, match="broken"):
        await run.importer.run(broken())
    assert (len(store.values), run.importer.place.offset) == (15, 15)
