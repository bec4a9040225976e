"""The share of all keys that each node owns a replica of. It must never call anything.

Tested in tests/tui/test_tables.py.
"""

from collections.abc import Sequence

from limedb.operator.console_values import NodeRow
from limedb.tui.figures import Cell, Line, bar, clip, short
from limedb.tui.nodes import CONDITION_TONES

FIGURE = 7
"""Characters of a figure, with the blank before it."""
ROOMY = 44
"""With this many characters there is room for two figures."""


def bars(nodes: Sequence[NodeRow], width: int) -> list[Line]:
    """Return a bar of `width` characters for each owner: its share, and how far that is from the mean."""
    owners = [node for node in nodes if node.standing and node.share]
    if not owners:
        return [(Cell("no node owns keys yet", "dim"),)]
    label = min(max(len(short(node.url)) for node in owners), width // 2)
    figures = 2 if width >= ROOMY else 1
    room = max(4, width - label - 1 - figures * FIGURE)
    top, mean = max(node.share for node in owners), sum(node.share for node in owners) / len(owners)
    return [
        (
            Cell(clip(short(node.url), label).ljust(label + 1)),
            Cell(bar(node.share / top, room), CONDITION_TONES.get(node.condition, "dim")),
            *_figures(node.share, mean)[:figures],
        )
        for node in owners
    ]


def _figures(share: float, mean: float) -> Line:
    return Cell(f" {share:>6.1%}"), Cell(f" {share / mean - 1:>+6.1%}", "dim")
