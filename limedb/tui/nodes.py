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

CONDITION_TONES: Mapping[str, Tone] = {
    "active": "good", "stale": "warn", "unreachable": "bad", "dead": "bad",
}  # fmt: skip

Rates = Sequence[float | None]
"""Requests a second, the newest last; None: nobody knows."""
MakeCell = Callable[[NodeRow, Rates], Cell]


class Column(NamedTuple):
    """A column. width: of its text; cell: makes its text from a node and its last rates; rank: where there is
    too little room, the columns with the highest rank go first.
    """

    title: str
    width: int
    rank: int
    cell: MakeCell
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
    """Return the condition of a node; while it joins or leaves, that."""
    if node.condition == "active" and node.standing != "normal":
        return Cell(node.standing or "no member", "accent")
    return Cell(node.condition, CONDITION_TONES.get(node.condition, "dim"))


def _known(cell: Callable[[NodeRow], Cell]) -> MakeCell:
    """A cell of a node whose figures are known; others have none."""
    return lambda node, _: cell(node) if node.is_known else Cell(NOTHING, "dim")


def _load(cell: Callable[[NodeLoad], Cell]) -> MakeCell:
    """A cell of a node that reports its load."""
    return _known(lambda node: Cell(NOTHING, "dim") if node.load is None else cell(node.load))


def _rate(pick: Callable[[NodeLoad], float]) -> MakeCell:
    return _load(lambda load: Cell(count(pick(load)), "" if pick(load) else "dim"))


def _bytes(pick: Callable[[NodeLoad], int]) -> MakeCell:
    return _load(lambda load: Cell(size(pick(load))))


def _latency(load: NodeLoad) -> Cell:
    latency = load.average_latency_ms
    return Cell(f"{latency:.2f}" if latency < 10 else f"{latency:.0f}") if latency else Cell(NOTHING, "dim")


def _errors(load: NodeLoad) -> Cell:
    share = load.error_rate
    return Cell(f"{share:.1%}", "bad") if share else Cell("0%", "dim")


def _offset(node: NodeRow) -> Cell:
    return Cell(NOTHING, "dim") if node.clock_offset is None else Cell(f"{node.clock_offset:+d} ms")


def _hints(node: NodeRow, _: Rates) -> Cell:
    return Cell(size(node.hints), "warn") if node.hints else Cell("0 B", "dim")


_COLUMNS = (
    Column("node", 17, 0, lambda node, _: Cell(clip(short(node.url), 17)), right=False),
    Column("status", 11, 1, lambda node, _: status(node), right=False),
    Column("beat", 5, 7, lambda node, _: Cell(seconds(node.lag), CONDITION_TONES.get(node.condition, "dim"))),
    Column("zone", 8, 14, lambda node, _: Cell(clip(node.zone or NOTHING, 8), "dim"), right=False),
    Column("keys", 6, 2, _known(lambda node: Cell(count(node.keys)))),
    Column("get/s", 6, 3, _rate(lambda load: load.gets_per_second)),
    Column("set/s", 6, 4, _rate(lambda load: load.sets_per_second)),
    Column("del/s", 6, 8, _rate(lambda load: load.dels_per_second)),
    Column("ms", 5, 5, _load(_latency)),
    Column("cpu%", 5, 6, _rate(lambda load: load.cpu_percent)),
    Column("requests/s", 12, 9, lambda node, rates: Cell(spark(rates, 12), "accent"), right=False),
    Column("memory", 8, 10, _bytes(lambda load: load.memory_bytes)),
    Column("disk", 8, 11, _bytes(lambda load: load.disk_bytes)),
    Column("errors", 6, 12, _load(_errors)),
    Column("hints", 8, 13, _hints),
    Column("clock", 9, 15, _known(_offset)),
)
