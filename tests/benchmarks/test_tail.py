"""The tables of the slowest Sets."""

import json

from bench.tail import latency_table, slow_sets, stage_table

SLOW = {
    "method": "KVService/Set",
    "ms": 9.0,
    "stalledMs": 4.0,
    "gcMs": 0.5,
    "stages": [{"stage": "the disk", "at": 1.0, "ms": 3.0}],
}
SLOWER = {**SLOW, "ms": 11.0, "stages": [{"stage": "the disk", "at": 1.0, "ms": 5.0}]}


def test_only_slow_sets_are_read_from_a_log() -> None:
    log = [
        json.dumps(SLOW),
        "a line of text",
        json.dumps({"message": "m"}),
        json.dumps(SLOW | {"method": "X"}),
    ]
    assert [*slow_sets(log)] == [SLOW]


def test_stages_are_added_up_over_slow_sets() -> None:
    table = stage_table([SLOW, SLOWER])
    assert table.startswith("2 logged")
    assert "| the disk | 2 | 4.00 | 5.00 |" in table
    assert "| the whole request | 2 | 10.00 | 11.00 |" in table
    assert stage_table([]) == "none was logged"


def test_latencies_stand_beside_those_of_etcd() -> None:
    taken = {
        "LimeDB, 1": {2000: [(100.0, 900.0), (120.0, 600.0), (110.0, 800.0)]},
        "etcd, 1": {2000: [(50.0, 400.0)]},
    }
    table = latency_table(1, taken)
    assert "| 1 | LimeDB, 1 | 2,000 | 110 | 800 | 2.00 |" in table
    assert "| 1 | etcd, 1 | 2,000 | 50 | 400 | 1.00 |" in table
