"""The log of slow requests: what a line says, and that most requests cost next to nothing.

Tests limedb/aio/stages.py, too.
"""

import asyncio
import gc
import json
import logging
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

import limedb
from limedb.aio.stages import MOST_CHAINS, begin_stages, current_stages, ensure_stages, join_stages
from limedb.observability.logs import JsonFormatter
from limedb.observability.metrics import RequestStats
from limedb.observability.slow_requests import MAX_A_SECOND, SESSION, SlowRequests
from limedbpb.v1 import kv_pb2
from tests.support.served import served
from tests.support.waiting import wait_for


class Hand:
    """A clock that only a test moves, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def facts_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [record.__dict__["facts"] for record in caplog.records]


async def test_a_request_above_the_threshold_is_logged_and_others_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stats = RequestStats(0.0, slow=SlowRequests(0.5))
    stats.record("KVService/Get", "OK", 0.4)
    assert caplog.records == []
    stats.record("KVService/Get", "NOT_FOUND", 0.6)
    (facts,) = facts_of(caplog)
    assert (facts["method"], facts["code"], facts["ms"]) == ("KVService/Get", "NOT_FOUND", 600.0)
    assert "slow: KVService/Get took 600.0 ms and ended with NOT_FOUND" in caplog.messages[0]
    assert caplog.records[0].levelno == logging.WARNING


async def test_without_a_threshold_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    RequestStats(0.0, slow=SlowRequests(0)).record("KVService/Get", "OK", 1e9)
    assert caplog.records == []


async def test_a_line_has_the_stages_from_the_requests_start(caplog: pytest.LogCaptureFixture) -> None:
    slow = SlowRequests(0.1)
    group = begin_stages()
    group.add(("others", "the disk"), (group.began, group.began + 0.01, group.began + 0.5))
    group.add(("before its time",), (group.began - 9, group.began - 8))

    async def request() -> None:
        join_stages(group)
        slow.report("KVService/Set", "OK", perf_counter() - group.began + 0.2)

    await asyncio.create_task(request())
    (facts,) = facts_of(caplog)
    stages = facts["stages"]
    assert isinstance(stages, list)
    assert [stage["stage"] for stage in stages] == ["until sent", "others", "the disk"]
    assert [round(stage["at"]) for stage in stages] == [0, 200, 210]
    assert [round(stage["ms"]) for stage in stages] == [200, 10, 490]
    assert (
        "until sent 200.0 from 0.0, others 10.0 from 200.0, the disk 490.0 from 210.0" in caplog.messages[0]
    )


async def test_streams_are_not_slow_but_requests_of_a_session_are(caplog: pytest.LogCaptureFixture) -> None:
    slow = SlowRequests(0.1, {"KVService/Watch"})
    slow.report("KVService/Watch", "OK", 99.0)
    slow.report(SESSION, "OK", 99.0)
    assert caplog.records == []
    begin_stages("batch_set")
    slow.report(SESSION, "OK", 99.0)
    assert facts_of(caplog)[0]["operation"] == "batch_set"
    assert "KVService/Session (batch_set) took" in caplog.messages[0]


async def test_a_flood_of_slow_requests_is_counted_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    clock = Hand()
    slow = SlowRequests(0.1, now=clock)
    for _ in range(MAX_A_SECOND + 7):
        slow.report("KVService/Get", "OK", 1.0)
    assert len(caplog.records) == MAX_A_SECOND
    clock.now += 1
    slow.report("KVService/Get", "OK", 1.0)
    assert facts_of(caplog)[-1]["leftOut"] == 7
    assert "7 more slow requests not logged" in caplog.messages[-1]
    slow.report("KVService/Get", "OK", 1.0)
    assert "leftOut" not in facts_of(caplog)[-1]


async def test_a_line_says_how_long_the_loop_stood_still_and_the_collector_ran(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = SlowRequests(0.001)
    watching = asyncio.create_task(slow.watch_pauses())
    await asyncio.sleep(0)
    began = perf_counter()
    while perf_counter() < began + 0.3:  # nothing else runs on the loop meanwhile
        pass
    kept = [[n] for n in range(300_000)]
    gc.collect()
    del kept
    took = perf_counter() - began
    slow.report("KVService/Get", "OK", took)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    (facts,) = facts_of(caplog)
    assert isinstance(facts["stalledMs"], float)
    assert isinstance(facts["gcMs"], float)
    assert 250 < facts["stalledMs"] <= 1000 * took + 1
    assert 1 < facts["gcMs"] <= 1000 * took + 1
    assert slow._collected not in gc.callbacks


async def test_work_has_stages_of_its_own_and_its_tasks_share_them() -> None:
    assert current_stages() is None
    ensure_stages()
    own = current_stages()
    ensure_stages()
    assert current_stages() is own

    async def part() -> None:
        stages = current_stages()
        assert stages is not None
        stages.add(("part",), (1.0, 2.0))

    async def other() -> None:
        begin_stages("other")

    await asyncio.gather(asyncio.create_task(part()), asyncio.create_task(other()))
    assert own is not None
    assert [span.name for span in own.spans] == ["part"]
    assert current_stages() is own


def test_stages_that_outlive_their_work_do_not_grow_forever() -> None:
    stages = begin_stages()
    for _ in range(MOST_CHAINS + 9):
        stages.add(("again",), (1.0, 2.0))
    assert len(stages.spans) == MOST_CHAINS


def test_a_line_of_json_has_the_facts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    SlowRequests(0.1).report("KVService/Get", "OK", 2.0)
    line = json.loads(JsonFormatter("http://n:1").format(caplog.records[0]))
    assert (line["method"], line["ms"], line["nodeUrl"]) == ("KVService/Get", 2000.0, "http://n:1")


@pytest.mark.cluster
def test_a_node_logs_the_stages_of_slow_writes(tmp_path: Path) -> None:
    env = {"SLOW_REQUEST": "1ms", "LOG_FORMAT": "json", "LOG_LEVEL": "warning"}
    values = {f"key-{number}": "v" * 10_000 for number in range(500)}
    with served(tmp_path, env=env) as node:
        with limedb.connect_sync(f"127.0.0.1:{node.port}") as db:
            db.set_many(values)  # 5 MB take longer than 1 ms anywhere
        writes = [kv_pb2.BatchWrite(key=key, value=value) for key, value in values.items()]
        node.kv.BatchSet(kv_pb2.BatchSetRequest(writes=writes[:300]), timeout=60)

        def slow() -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in node.log.read_text().splitlines()]
            return [line for line in lines if line["message"].startswith("slow: ")]

        wait_for("both lines", lambda: {"KVService/BatchSet", SESSION} <= {line["method"] for line in slow()})
        lines = {line["method"]: line for line in slow()}
    assert lines[SESSION]["operation"] == "batch_set"
    for method in SESSION, "KVService/BatchSet":
        names = [stage["stage"] for stage in lines[method]["stages"]]
        assert {"the disk", "its turn on the loop", f"http://127.0.0.1:{node.port}"} <= {*names}
        assert "key-" not in json.dumps(lines[method])


def stand_still(seconds: float) -> None:
    """Keep the event loop from its turn."""
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


async def test_the_longest_standstill_is_there_once() -> None:
    slow = SlowRequests(0)
    watching = asyncio.create_task(slow.watch_pauses())
    await asyncio.sleep(0)
    stand_still(0.2)
    await asyncio.sleep(0.05)
    assert 0.1 < slow.take_longest() < 10
    assert slow.take_longest() < 0.1
    watching.cancel()
