"""The table of nodes: the columns that fit, and their cells. It must never call anything.

Tested in tests/tui/test_tables.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from limedb.core.membership import NodeLoad
from limedb.operator.console_values import NodeRow
from limedb.tui.figures import NOTHING, Cell, Tone, clip, count, seconds, short, size, spark

PADDING = 2
"""Blank characters in each column."""

STATUS_TONES: Mapping[str, Tone] = {"active": "good", "stale": "warn", "dead": "bad"}


class Column(NamedTuple):
    """A column. width: of its text; cell: makes its text from a node and its last rates; rank: where there is
    too little room, the columns with the highest rank go first.
    """

    title: str
    width: int
    rank: int
    cell: Callable[[NodeRow, Sequence[float]], Cell]
    right: bool = True


def columns(width: int) -> list[Column]:
    """Return the columns that fit into that many characters, in order."""
    chosen: list[Column] = []
    for column in sorted(_COLUMNS, key=lambda column: column.rank):
        if sum(c.width + PADDING for c in (*chosen, column)) > width and chosen:
            break
        chosen.append(column)
    return [column for column in _COLUMNS if column in chosen]


def status(node: NodeRow) -> Cell:
    """Return the status of a node; while it joins or leaves, that."""
    if node.status == "active" and node.standing not in ("normal", ""):
        return Cell(node.standing, "accent")
    return Cell(node.status or "unknown", STATUS_TONES.get(node.status, "dim"))


def _rate(pick: Callable[[NodeLoad], float]) -> Callable[[NodeRow, Sequence[float]], Cell]:
    def cell(node: NodeRow, _: Sequence[float]) -> Cell:
        if node.load is None or node.status == "dead":
            return Cell(NOTHING, "dim")
        number = pick(node.load)
        return Cell(count(number), "" if number else "dim")

    return cell


def _bytes(pick: Callable[[NodeLoad], int]) -> Callable[[NodeRow, Sequence[float]], Cell]:
    return lambda node, _: Cell(size(pick(node.load))) if node.load else Cell(NOTHING, "dim")


def _latency(node: NodeRow, _: Sequence[float]) -> Cell:
    latency = node.load.average_latency_ms if node.load and node.status != "dead" else 0.0
    return Cell(f"{latency:.2f}" if latency < 10 else f"{latency:.0f}") if latency else Cell(NOTHING, "dim")


def _errors(node: NodeRow, _: Sequence[float]) -> Cell:
    share = node.load.error_rate if node.load else 0.0
    return Cell(f"{share:.1%}", "bad") if share else Cell("0%", "dim")


def _offset(node: NodeRow, _: Sequence[float]) -> Cell:
    return Cell(NOTHING, "dim") if node.clock_offset is None else Cell(f"{node.clock_offset:+d} ms")


def _hints(node: NodeRow, _: Sequence[float]) -> Cell:
    return Cell(size(node.hints), "warn") if node.hints else Cell("0 B", "dim")


_COLUMNS = (
    Column("node", 19, 0, lambda node, _: Cell(clip(short(node.url), 19)), right=False),
    Column("status", 8, 1, lambda node, _: status(node), right=False),
    Column("beat", 5, 7, lambda node, _: Cell(seconds(node.lag), STATUS_TONES.get(node.status, "dim"))),
    Column("zone", 8, 14, lambda node, _: Cell(clip(node.zone or NOTHING, 8), "dim"), right=False),
    Column("keys", 6, 2, lambda node, _: Cell(count(node.keys))),
    Column("get/s", 6, 3, _rate(lambda load: load.gets_per_second)),
    Column("set/s", 6, 4, _rate(lambda load: load.sets_per_second)),
    Column("del/s", 6, 8, _rate(lambda load: load.dels_per_second)),
    Column("ms", 5, 5, _latency),
    Column("cpu%", 5, 6, _rate(lambda load: load.cpu_percent)),
    Column("requests/s", 12, 9, lambda node, rates: Cell(spark(rates, 12), "accent"), right=False),
    Column("memory", 8, 10, _bytes(lambda load: load.memory_bytes)),
    Column("disk", 8, 11, _bytes(lambda load: load.disk_bytes)),
    Column("errors", 6, 12, _errors),
    Column("hints", 8, 13, _hints),
    Column("clock", 9, 15, _offset),
)
