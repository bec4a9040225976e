"""Nodes, ring and gossip as the screen shows them."""

import pytest

from limedb.core.membership import NodeLoad
from limedb.operator.console_values import Gossip, NodeRow, PeerGossip
from limedb.tui import gossip, nodes, ring
from limedb.tui.figures import plain
from tests.tui.samples import A, B, C, node

BUSY = NodeLoad(
    3 << 20, 52 << 20, 12.5, requests_per_second=1500, gets_per_second=1200, sets_per_second=300,
    average_latency_ms=0.42, error_rate=0.015,
)  # fmt: skip


def row(one: NodeRow, width: int = 400) -> dict[str, str]:
    return {column.title: column.cell(one, [1.0, 2.0]).text for column in nodes.columns(width)}


def test_a_row_tells_status_and_rates() -> None:
    told = row(node(A, load=BUSY, keys=12_345, zone="rack-1", clock_offset=-3, hints=2048))
    assert (told["node"], told["status"], told["keys"], told["zone"]) == (
        "127.0.0.1:7001",
        "active",
        "12k",
        "rack-1",
    )
    assert (told["get/s"], told["set/s"], told["del/s"], told["ms"], told["cpu%"]) == (
        "1.2k",
        "300",
        "0",
        "0.42",
        "12",
    )
    assert (told["memory"], told["disk"], told["errors"]) == ("52 MiB", "3.0 MiB", "1.5%")
    assert (told["hints"], told["clock"], told["requests/s"].strip()) == ("2.0 KiB", "-3 ms", "▅█")


def test_what_a_dead_node_told_last_is_not_shown_as_its_rates() -> None:
    told = row(node(A, load=BUSY, status="dead", lag=40))
    assert (told["status"], told["get/s"], told["ms"], told["beat"]) == ("dead", "-", "-", "40s")


@pytest.mark.parametrize(
    "facts",
    [{"reachable": False}, {"status": "dead"}, {"status": ""}],
    ids=["unreachable", "dead", "unknown"],
)
def test_a_node_that_sends_nothing_has_no_figures(facts: dict[str, object]) -> None:
    told = row(node(A, load=BUSY, keys=7, clock_offset=3, **facts))
    assert told["status"] == next(iter(facts.values())) or told["status"] in ("unreachable", "unknown")
    figures = ("keys", "get/s", "set/s", "del/s", "ms", "cpu%", "memory", "disk", "errors", "clock")
    assert {told[name] for name in figures} == {"-"}


def test_a_line_of_rates_has_a_gap_where_nothing_is_known() -> None:
    (column,) = (column for column in nodes.columns(400) if column.title == "requests/s")
    assert column.cell(node(A), [1.0, None, 2.0]).text == "         ▅ █"


def test_a_node_that_comes_or_goes_says_so_while_it_lives() -> None:
    assert row(node(A, standing="joining"))["status"] == "joining"
    assert row(node(A, standing="leaving", status="dead"))["status"] == "dead"
    assert row(node(A, standing="", status=""))["status"] == "unknown"
    assert row(node(A, standing=""))["status"] == "no member"


@pytest.mark.parametrize("width", range(10, 200, 7))
def test_columns_fit_and_the_first_to_go_are_the_least_needed(width: int) -> None:
    chosen = nodes.columns(width)
    assert sum(column.width + nodes.PADDING for column in chosen) <= max(width, 21)
    assert chosen[0].title == "node"


def test_eighty_characters_are_enough_for_status_and_rates() -> None:
    titles = [column.title for column in nodes.columns(78)]
    assert titles == ["node", "status", "beat", "keys", "get/s", "set/s", "ms", "cpu%"]


def test_no_cell_is_wider_than_its_column() -> None:
    long = node(
        "http://a-very-long-host-name.example:8484",
        zone="a-long-zone-name",
        keys=10**9,
        lag=10**6,
        hints=10**12,
        clock_offset=-12345,
        load=NodeLoad(
            10**12,
            10**12,
            999,
            requests_per_second=1e9,
            gets_per_second=1e9,
            sets_per_second=1e9,
            dels_per_second=1e9,
            average_latency_ms=99999,
            error_rate=1.0,
        ),
    )
    for column in nodes.columns(400):
        assert len(column.cell(long, [1.0] * 50).text) <= column.width, column.title


def test_bars_show_what_a_node_owns_of_all_keys_and_its_distance_from_the_mean() -> None:
    owners = (node(A, share=0.6), node(B, share=0.4))
    shown = plain(ring.bars(owners, 50)).splitlines()
    assert shown[0] == "127.0.0.1:7001 " + "█" * 21 + "  60.0% +20.0%"
    assert shown[1].startswith("127.0.0.1:7002 " + "█" * 14 + " ")
    assert all(len(line) == 50 for line in shown)
    assert all(len(line) == 34 for line in plain(ring.bars(owners, 34)).splitlines())
    assert plain(ring.bars((), 50)) == "no node owns keys yet"


def test_with_as_many_replicas_as_nodes_each_owns_all_keys() -> None:
    shown = plain(ring.bars([node(url, share=1.0) for url in (A, B, C)], 50)).splitlines()
    assert [line.split()[-2:] for line in shown] == [["100.0%", "+0.0%"]] * 3


def test_who_owns_nothing_has_no_bar() -> None:
    shown = plain(ring.bars((node(A, share=1.0), node(B, standing="joining"), node(C, standing="")), 50))
    assert [line.split()[0] for line in shown.splitlines()] == ["127.0.0.1:7001"]


def test_gossip_tells_each_peer() -> None:
    told = Gossip(
        A, "degraded", 42, 0.5, 12.3, (PeerGossip(B, "active", 40, 0.2), PeerGossip(C, "dead", 7, 12.3))
    )
    assert plain(gossip.lines(told, 36)).splitlines() == [
        "degraded beat 42, lag 0.5s max 12s",
        "127.0.0.1:7002   active  0.2s     40",
        "127.0.0.1:7003   dead     12s      7",
    ]
