"""The log of changes of a node."""

import asyncio
import itertools
import operator
from collections.abc import AsyncGenerator
from sys import getsizeof

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.hlc import version_at
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.core.stop_limits import SPREAD_MS
from limedb.encoding.record import encode_once
from limedb.errors import WatchGapError
from limedb.ports import Applied, ChangeBatch
from limedb.replication.change_log import (
    BATCH,
    BEAT_SECONDS,
    OLD_COPY_MS,
    OVERHEAD,
    RETURN_SECONDS,
    ChangeLog,
)
from tests.replication.nodes import virtual

NOW = 1_700_000_000_000
STANDS = Applied(0, existed=False)
ALL = WatchFilter()


class Time:
    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        return self.ms


def record(key: str, value: str | None = "v", counter: int = 0) -> Record:
    return Record(key, value, version_at(NOW, counter))


async def keys(batches: AsyncGenerator[ChangeBatch, None]) -> list[str]:
    return [record.key for record in (await anext(batches)).records]


@virtual
async def test_a_watcher_hears_what_comes_and_a_beat_where_nothing_does() -> None:
    log = ChangeLog(Time(), NOW, is_fresh=False)
    batches = log.follow(WatchFilter(prefix="a"), None)
    assert await anext(batches) == ChangeBatch([], NOW, NOW, False, started_ms=NOW)
    log.add([record("a1"), record("b"), record("a2", None)], [STANDS] * 3, NOW)
    assert (await anext(batches)).records == [record("a1"), record("a2", None)]
    assert await keys(batches) == []
    one = log.follow(WatchFilter(key="b"), NOW)
    assert await keys(one) == ["b"]


@virtual
async def test_what_changed_nothing_or_is_an_old_copy_is_no_news() -> None:
    log = ChangeLog(Time(), NOW, is_fresh=False)
    batches = log.follow(ALL, NOW)
    assert await keys(batches) == []
    overtaken, same = Applied(version_at(NOW, 9), existed=True), Applied(0, True, version_at(NOW))
    old = Record("old", "v", version_at(NOW - OLD_COPY_MS) - 1)
    late = Record("late", "v", version_at(NOW - OLD_COPY_MS))
    log.add([record("over"), record("same"), old, late], [overtaken, same, STANDS, STANDS], NOW)
    log.add([record("again")], [same], NOW, again=True)
    assert await keys(batches) == ["late", "again"]


AGES = st.sampled_from([0, SPREAD_MS, SPREAD_MS + 1, OLD_COPY_MS, OLD_COPY_MS + 1])


@given(st.lists(st.tuples(AGES, st.booleans(), st.booleans()), max_size=4), st.booleans(), st.booleans())
def test_a_batch_is_news_as_each_of_its_records_would_be_alone(
    facts: list[tuple[int, bool, bool]], again: bool, copied: bool
) -> None:
    """facts: of each record its age, whether it was overtaken, and whether the store had it already."""
    records = [Record(str(i), "v", version_at(NOW - age, 1)) for i, (age, _, _) in enumerate(facts)]
    applied = [
        Applied(version_at(NOW, 9) if is_over else 0, True, one.version if was_there else one.version - 1)
        for one, (_, is_over, was_there) in zip(records, facts, strict=True)
    ]
    together, alone = (ChangeLog(Time(), NOW, is_fresh=False) for _ in range(2))
    together.add(records, applied, NOW, again=again, copied=copied)
    for one, outcome in zip(records, applied, strict=True):
        alone.add([one], [outcome], NOW, again=again, copied=copied)
    assert together.tail() == alone.tail()
    wanted = [
        one
        for one, outcome, (age, is_over, was_there) in zip(records, applied, facts, strict=True)
        if age <= OLD_COPY_MS and not is_over and (again or not was_there or (not copied and age > SPREAD_MS))
    ]
    assert [*map(operator.itemgetter(1), together.tail().changes)] == wanted


@virtual
async def test_changes_are_told_from_the_time_of_their_arrival_on() -> None:
    now = Time()
    log = ChangeLog(now, NOW, is_fresh=False)
    for n in range(5):
        now.ms = NOW + n
        log.add([record(f"k{n}")], [STANDS], now.ms)
    now.ms = NOW - 50  # the clock was set back: what comes now came later all the same
    log.add([record("k5")], [STANDS], now.ms)
    batch = await anext(log.follow(ALL, NOW + 3))
    assert ([r.key for r in batch.records], batch.until_ms) == (["k3", "k4", "k5"], NOW + 4)
    assert not batch.has_gap
    assert (await anext(log.follow(ALL, NOW - 1))).has_gap
    assert not (await anext(ChangeLog(now, NOW, is_fresh=True).follow(ALL, NOW - 1))).has_gap


@virtual
async def test_it_counts_as_followed_while_somebody_who_left_may_be_on_the_way_to_another_node() -> None:
    log = ChangeLog(Time(), NOW, is_fresh=False)
    assert not log.is_followed
    first, second = log.follow(ALL, NOW), log.follow(ALL, NOW)
    await anext(first)
    await anext(second)
    await first.aclose()
    await asyncio.sleep(2 * RETURN_SECONDS)
    assert log.is_followed
    await second.aclose()
    await asyncio.sleep(RETURN_SECONDS - 0.1)
    assert log.is_followed
    await asyncio.sleep(0.2)
    assert not log.is_followed


@virtual
async def test_who_falls_behind_what_is_kept_finds_a_gap() -> None:
    now = Time()
    log = ChangeLog(now, NOW, is_fresh=False, max_changes=10)
    slow, quick = log.follow(ALL, None), log.follow(ALL, None)
    await anext(slow)
    await anext(quick)
    for n in range(11):
        now.ms = NOW + n
        log.add([record(f"k{n}")], [STANDS], now.ms)
        assert await keys(quick) == [f"k{n}"]
    with pytest.raises(WatchGapError) as caught:
        await anext(slow)
    assert caught.value.oldest == version_at(NOW + 1)
    assert next(r.key for r in (await anext(log.follow(ALL, NOW + 1))).records) == "k1"


@virtual
async def test_what_is_kept_is_bounded_in_bytes_too() -> None:
    log = ChangeLog(Time(), NOW, is_fresh=True, max_bytes=10_000)
    for n in range(100):
        log.add([record(f"k{n}", "v" * 900)], [STANDS], NOW)
    batch = await anext(log.follow(ALL, NOW))
    assert (len(batch.records), batch.has_gap) == (0, True) or batch.records[-1].key == "k99"
    assert log.floor_ms == NOW + 1  # the first were forgotten


@pytest.mark.parametrize("value", ["v" * 100_000, "v" * 2000, "v" * 300])
def test_it_holds_no_more_than_it_counts_though_records_bring_their_stored_form_along(value: str) -> None:
    most = 50 * (len(value) + OVERHEAD)
    log = ChangeLog(Time(), NOW, is_fresh=False, max_bytes=most)
    written = [record(f"k{n}", value) for n in range(100)]
    assert all(len(encode_once(each)) > len(value) for each in written)
    for each in written:
        log.add([each], [STANDS], NOW)
    kept = [change for _, change, _ in log.tail().changes]
    assert kept == written[-len(kept) :]
    assert len(kept) > 40
    assert sum(getsizeof(each.value) + len(each.encoded) for each in kept) <= most


@virtual
async def test_many_changes_come_in_batches_in_their_order() -> None:
    log = ChangeLog(Time(), NOW, is_fresh=False)
    batches = log.follow(ALL, NOW)
    wanted = [f"k{n}" for n in range(3 * BATCH)]
    log.add([record(key) for key in wanted], [STANDS] * len(wanted), NOW)
    heard = [await keys(batches) for _ in range(3)]
    assert [len(part) for part in heard] == [BATCH] * 3
    assert [key for part in heard for key in part] == wanted


@virtual
async def test_a_beat_comes_while_others_write_without_a_pause() -> None:
    """The watched keys don't change; others do at every moment."""
    now = Time()
    log = ChangeLog(now, NOW, is_fresh=False, max_changes=50)
    batches, loop = log.follow(WatchFilter(key="quiet"), None), asyncio.get_running_loop()
    await anext(batches)

    async def write() -> None:
        for n in itertools.count():
            now.ms = NOW + n
            log.add([record(f"k{n}")], [STANDS], now.ms)
            await asyncio.sleep(0.01)

    writer = asyncio.create_task(write())
    for _ in range(5):
        began = loop.time()
        batch = await anext(batches)
        assert batch.records == []
        assert loop.time() - began <= BEAT_SECONDS + 0.1
        assert batch.until_ms >= now.ms - 20
    writer.cancel()


@virtual
async def test_keys_that_it_does_not_watch_never_cost_a_watcher_its_place() -> None:
    log = ChangeLog(Time(), NOW, is_fresh=False, max_changes=10)
    quiet, loud = log.follow(WatchFilter(prefix="q"), None), log.follow(WatchFilter(prefix="k"), None)
    await anext(quiet)
    await anext(loud)
    for n in range(100):  # both have no turn in between
        log.add([record(f"k{n}")], [STANDS], NOW)
    log.add([record("q")], [STANDS], NOW)
    assert await keys(quiet) == ["q"]
    with pytest.raises(WatchGapError):
        await anext(loud)


@virtual
async def test_a_clients_write_that_was_sent_again_is_told_again_and_marked() -> None:
    """The store has it, perhaps as a copy that no watch reported; a copy that comes late is none of that."""
    log = ChangeLog(Time(), NOW, is_fresh=False)
    batches = log.follow(ALL, NOW)
    await anext(batches)
    old = Record("old", "v", version_at(NOW - SPREAD_MS) - 1)
    has_it = Applied(0, existed=True, previous=old.version)
    log.add([old], [has_it], NOW, copied=True)
    log.add([record("new"), old], [STANDS, has_it], NOW)
    batch = await anext(batches)
    assert ([r.key for r in batch.records], batch.late) == (["new", "old"], {1})


@virtual
async def test_the_next_run_goes_on_where_a_log_ended() -> None:
    now = Time()
    before = ChangeLog(now, NOW, is_fresh=False)
    late = Record("late", "v", version_at(NOW - SPREAD_MS) - 1)
    before.add([record("k1"), late], [STANDS] * 2, NOW + 5)
    now.ms = NOW - 1000  # the clock was set back
    log = ChangeLog(now, now.ms, is_fresh=False)
    log.take_over(before.tail())
    log.add([record("k2")], [STANDS], now.ms)
    batch = await anext(log.follow(ALL, NOW))
    assert ([r.key for r in batch.records], batch.late) == (["k1", "late", "k2"], {1})
    assert (batch.has_gap, batch.until_ms, log.started_ms) == (False, NOW + 5, NOW)
    assert (await anext(log.follow(ALL, NOW - 1))).has_gap
