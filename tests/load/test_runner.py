"""Running a load: what is counted, and that what is wrong is found."""

import asyncio

import pytest

from limedb.errors import LevelUnreachableError, LimeDBError, OutcomeUnknownError, UnavailableError
from limedb.load import runner as running
from limedb.load.plan import LoadPlan, Mode
from limedb.load.runner import Runner
from limedb.load.tally import Tally
from tests.load.clusters import Cluster


def plan(mode: Mode, requests: int | None = 500, keys: int = 40, seconds: float | None = None) -> LoadPlan:
    return LoadPlan(mode, requests, seconds, workers=8, keys=keys, value_size=32)


async def run(mode: Mode, cluster: Cluster, **options: int) -> Tally:
    runner = Runner(plan(mode, **options), cluster, lambda _sample: None)
    await runner.fill()
    await runner.run()
    return runner.tally


@pytest.fixture(autouse=True)
def _without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FIRST_REST", 0)


async def test_writes_are_counted_and_timed() -> None:
    tally = await run(Mode.WRITE, Cluster())
    assert (tally.writes, tally.reads, tally.times.count) == (500, 0, 500)
    assert tally.rate > 0


async def test_reads_find_what_was_stored_before_the_load() -> None:
    cluster = Cluster()
    tally = await run(Mode.READ, cluster)
    assert (tally.reads, tally.writes, tally.missing, cluster.writes) == (500, 0, 0, 40)


async def test_mixed_does_both() -> None:
    tally = await run(Mode.MIXED, Cluster())
    assert tally.reads + tally.writes == 500
    assert min(tally.reads, tally.writes) > 150


async def test_verify_compares_each_key_that_was_written_and_finds_nothing_wrong() -> None:
    cluster = Cluster()
    tally = await run(Mode.VERIFY, cluster)
    assert (tally.mismatches, tally.missing < 500) == (0, True)
    assert tally.compared >= len(cluster.values) > 30
    assert tally.operations == 500  # the last comparison is no request


async def test_verify_finds_a_value_that_was_overwritten_from_outside() -> None:
    cluster = Cluster()

    def spoil(key: str) -> None:
        if cluster.writes == 100:
            cluster.values[next(other for other in cluster.values if other != key)] = "from outside"

    cluster.on_write = spoil
    tally = await run(Mode.VERIFY, cluster, requests=201, keys=100_000)
    assert tally.mismatches >= 1
    assert tally.shown[0].found == "'from outside'"


async def test_verify_finds_a_value_that_was_lost() -> None:
    cluster = Cluster()

    def lose(key: str) -> None:
        if cluster.reads > 200:
            cluster.values.pop(key, None)

    cluster.on_read = lose
    tally = await run(Mode.VERIFY, cluster)
    assert tally.mismatches > 0
    assert {one.found for one in tally.shown} == {None}
    assert len(tally.shown) <= 20


@pytest.mark.parametrize("applied", [True, False])
async def test_a_write_of_unknown_outcome_may_have_taken_effect_or_not(applied: bool) -> None:
    cluster = Cluster()
    cluster.applies_failures = applied

    def fail(key: str) -> LimeDBError | None:
        return OutcomeUnknownError(key, 2, 1, {}) if cluster.writes % 3 == 0 else None

    cluster.on_write = fail
    tally = await run(Mode.VERIFY, cluster)
    assert (tally.mismatches, set(tally.errors)) == (0, {"OUTCOME_UNKNOWN"})
    assert tally.compared > 0


async def test_a_write_that_surely_failed_must_leave_nothing_behind() -> None:
    cluster = Cluster()
    cluster.applies_failures = True

    def fail(key: str) -> LimeDBError | None:
        return LevelUnreachableError(key, "quorum", 2, 1, 3, {}) if cluster.writes % 3 == 0 else None

    cluster.on_write = fail
    assert (await run(Mode.VERIFY, cluster)).mismatches > 0


async def test_errors_are_counted_by_kind_and_end_nothing() -> None:
    cluster = Cluster()
    cluster.on_read = lambda _key: UnavailableError("nobody there")
    tally = await run(Mode.MIXED, cluster)
    assert tally.errors == {"UNAVAILABLE": 500 - tally.writes}
    assert tally.examples == {"UNAVAILABLE": "nobody there"}


async def test_a_cluster_that_is_away_at_the_start_is_reported_as_itself() -> None:
    cluster = Cluster()
    cluster.on_write = lambda _key: UnavailableError("nobody there")
    with pytest.raises(UnavailableError, match="nobody there"):
        await run(Mode.READ, cluster)


async def test_a_load_can_be_stopped_early() -> None:
    cluster = Cluster()
    runner = Runner(plan(Mode.WRITE, requests=None, seconds=3600), cluster, lambda _sample: None)

    def stop(_key: str) -> None:
        if cluster.writes == 100:
            runner.stop.set()

    cluster.on_write = stop
    await asyncio.wait_for(runner.run(), 10)
    assert 100 <= runner.tally.writes < 120


async def test_increments_are_counted_by_worker_and_their_sums_compared() -> None:
    cluster = Cluster()
    tally = await run(Mode.COUNT, cluster, keys=1)
    assert (tally.writes, cluster.values) == (500, {"bench/00000000": "500"})
    assert (tally.compared, tally.mismatches, len(tally.workers)) == (1, 0, 8)
    assert sum(tally.workers.values()) == 500


async def test_an_increment_that_is_lost_is_found() -> None:
    cluster, calls = Cluster(), iter(range(1000))

    def lose(key: str) -> None:
        if next(calls) == 300:
            cluster.values[key] = "7"

    cluster.on_write = lose
    tally = await run(Mode.COUNT, cluster, keys=1)
    assert tally.mismatches == 1


@pytest.mark.parametrize("applies", [False, True])
async def test_increments_of_unknown_outcome_may_count_or_not(applies: bool) -> None:
    cluster, calls = Cluster(), iter(range(1000))
    cluster.applies_failures = applies

    def lose_track(key: str) -> LimeDBError | None:
        return OutcomeUnknownError(key, 2, 1, {}) if next(calls) % 50 == 49 else None

    cluster.on_write = lose_track
    tally = await run(Mode.COUNT, cluster, keys=3)
    assert (tally.mismatches, sum(tally.errors.values()) > 5) == (0, True)


async def test_reads_and_writes_are_timed_apart() -> None:
    tally = await run(Mode.MIXED, Cluster())
    assert (tally.read_times.count, tally.write_times.count) == (tally.reads, tally.writes)


async def test_with_a_rate_requests_begin_at_their_times_and_count_from_then() -> None:
    """All workers are stuck for a while, so that what is due meanwhile is late."""
    cluster, held = Cluster(), asyncio.Event()

    class Stuck(Cluster):
        async def write(self, key: str, value: str) -> None:
            await held.wait()
            await cluster.write(key, value)

    load = LoadPlan(Mode.WRITE, 100, None, workers=8, keys=40, value_size=32, rate=1000)
    runner = Runner(load, Stuck(), lambda _sample: None)
    asyncio.get_running_loop().call_later(0.3, held.set)
    await runner.run()
    assert (runner.tally.writes, cluster.writes) == (100, 100)
    assert runner.tally.times.percentile(0.5) > 100_000, "half of them were due within the first 0.1 s"
    assert runner.tally.seconds >= 0.3


async def test_a_rate_is_kept_and_not_exceeded() -> None:
    load = LoadPlan(Mode.WRITE, None, 0.5, workers=8, keys=40, value_size=32, rate=100)
    runner = Runner(load, Cluster(), lambda _sample: None)
    await runner.run()
    assert 0 < runner.tally.writes <= 51


async def test_a_load_with_a_rate_is_stopped_between_two_requests() -> None:
    load = LoadPlan(Mode.WRITE, None, None, workers=8, keys=40, value_size=32, rate=0.001)
    runner = Runner(load, Cluster(), lambda _sample: None)
    asyncio.get_running_loop().call_later(0.05, runner.stop.set)
    await asyncio.wait_for(runner.run(), 30)
    assert runner.tally.writes == 1


async def test_the_warm_up_is_not_counted() -> None:
    cluster = Cluster()
    load = LoadPlan(Mode.VERIFY, 200, None, workers=8, keys=40, value_size=32, warmup=0.1)
    runner = Runner(load, cluster, lambda _sample: None)
    await runner.run()
    assert (runner.tally.operations, runner.tally.times.count) == (200, 200)
    assert runner.tally.mismatches == 0
    assert cluster.reads + cluster.writes > 400


async def test_the_sums_of_counters_include_the_warm_up() -> None:
    load = LoadPlan(Mode.COUNT, 200, None, workers=8, keys=2, value_size=32, warmup=0.1)
    runner = Runner(load, Cluster(), lambda _sample: None)
    await runner.fill()
    await runner.run()
    assert (runner.tally.writes, runner.tally.mismatches, runner.tally.compared) == (200, 0, 2)


async def test_the_keys_of_the_plan_are_deleted_and_no_others() -> None:
    cluster = Cluster()
    runner = Runner(plan(Mode.READ), cluster, lambda _sample: None)
    await runner.fill()
    cluster.values["bench/other"] = "stays"
    runner.stop.set()
    await runner.clean()
    assert cluster.values == {"bench/other": "stays"}
