"""A real node under three times the load that it carries, and the open loop that sends it.

Tests bench/overload.py, bench/open_loop.py and bench/http2.py.
"""

from pathlib import Path
from typing import Literal

import pytest

from bench import overload
from bench.data import key_of, value_of
from bench.http2 import DATA, HEADERS, Unary
from bench.open_loop import Load, Tally, send
from bench.overload import CALLS, TIMES, Outcome, Seen
from bench.systems.limedb import LimeDB
from limedbpb.v1 import kv_pb2

MOST_MIB = 512


def test_a_call_is_two_frames() -> None:
    head = Unary("a/b", b"xyz").frames(7, 250)
    size = head[0] << 16 | head[1] << 8 | head[2]
    assert (head[3], int.from_bytes(head[5:9], "big")) == (HEADERS, 7)
    assert b"grpc-timeout\x04250m" in head[: 9 + size]
    body = head[9 + size :]
    assert (body[3], body[9:]) == (DATA, b"\0\0\0\0\x03xyz")


def test_each_call_that_was_due_is_counted_once() -> None:
    tally = Tally(answered=5, refused=1, late=2, unsent=3, lost=4, millis=[5.0, 1.0, 3.0, 2.0, 4.0])
    assert tally.due == 15
    assert (tally.percentile(0.5), tally.percentile(0.99)) == (3.0, 5.0)
    row = Outcome(1, "Get", 10.0, tally, 2.0, Seen(70.4, 8, 1, 2)).row()
    assert row.startswith("| 1 | Get | 10 | 8 | 2 | 0.25 |")
    assert row.endswith("| 4 | 3 | 5 | 70 | 1/8 | 2 |")


@pytest.mark.process
def test_what_nodes_answer_refuse_and_leave_is_told_apart(tmp_path: Path) -> None:
    system = LimeDB(tmp_path, 1, CLIENT_RATE="5", CLIENT_BURST="20")
    missing = kv_pb2.BatchGetRequest(keys=["missing"]).SerializeToString().hex()
    try:
        system.start()
        tally = send(Load([system.address], "limedb.v1.KVService/BatchGet", missing, 100, 1.0, 30.0, 4))
    finally:
        system.stop()
    assert tally.due == 100
    assert 1 <= tally.answered <= 60  # a burst, and what the rate adds, be the machine as slow as it is
    assert tally.answered + tally.refused == 100
    assert len(tally.millis) == tally.answered


@pytest.mark.torture
@pytest.mark.process
@pytest.mark.parametrize("nodes", [1, 3])
def test_a_node_under_three_times_its_load_answers_stays_small_and_is_not_taken_for_dead(
    nodes: Literal[1, 3], tmp_path: Path
) -> None:
    """Calls that are ended cost some processor time, too, and on a busy machine the overload is more than
    three times: so a third of what the node carried is enough.
    """
    (outcome,) = overload.outcomes(tmp_path, nodes, 6.0, ("Get",))
    assert outcome.tally.due > (TIMES - 1) * outcome.carried * outcome.seconds
    assert outcome.goodput > 0.3 * outcome.carried, outcome.row()
    assert outcome.tally.late < 0.1 * outcome.tally.due, outcome.row()
    assert outcome.tally.percentile(0.99) < 1000 * overload.TIMEOUT_SECONDS, outcome.row()
    assert outcome.seen.mebibytes < MOST_MIB, outcome.row()
    assert outcome.seen.looks
    assert not outcome.seen.suspected, outcome.row()


def test_the_key_that_is_asked_for_is_one_of_those_that_are_stored() -> None:
    assert CALLS["Get"] == kv_pb2.GetRequest(key=key_of(1))
    assert key_of(1) in overload.KEYS
    assert value_of(key_of(1))
