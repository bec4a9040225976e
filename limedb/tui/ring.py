"""The share of the ring that each node owns. It must never call anything.

Tested in tests/tui/test_tables.py.
"""

from collections.abc import Sequence

from limedb.core.ring import TOKENS, Ring
from limedb.operator.console_values import NodeRow, Sample
from limedb.tui.figures import Cell, Line, bar, clip, short
from limedb.tui.nodes import STATUS_TONES

FIGURE = 7
"""Characters of a figure, with the blank before it."""
ROOMY = 44
"""With this many characters there is room for two figures."""


class Shares:
    """The share of all tokens of which each node is the first owner, 0 to 1; computed once an epoch."""

    def __init__(self) -> None:
        self._ring: tuple[tuple[tuple[str, int], ...], dict[str, float]] = ((), {})

    def of(self, sample: Sample) -> dict[str, float]:
        """Return the shares by URL; a joining node owns nothing yet."""
        points = tuple((n.url, n.virtual_nodes) for n in sample.nodes if n.standing not in ("", "joining"))
        if points != self._ring[0]:
            shares = dict.fromkeys((url for url, _ in points), 0.0)
            for url, span in Ring(dict(points)).ranges():
                shares[url] += span.size / TOKENS
            self._ring = (points, shares)
        return self._ring[1]


def bars(nodes: Sequence[NodeRow], shares: dict[str, float], width: int) -> list[Line]:
    """Return a bar of `width` characters for each owner: its share, and how far that is from the mean."""
    owners = [node for node in nodes if node.url in shares]
    if not owners:
        return [(Cell("no node owns keys yet", "dim"),)]
    label = min(max(len(short(node.url)) for node in owners), width // 2)
    figures = 2 if width >= ROOMY else 1
    room = max(4, width - label - 1 - figures * FIGURE)
    top, mean = max(shares.values()), 1 / len(owners)
    return [
        (
            Cell(clip(short(node.url), label).ljust(label + 1)),
            Cell(bar(shares[node.url] / top if top else 0.0, room), STATUS_TONES.get(node.status, "dim")),
            *_figures(shares[node.url], mean)[:figures],
        )
        for node in owners
    ]


def _figures(share: float, mean: float) -> Line:
    return Cell(f" {share:>6.1%}"), Cell(f" {share / mean - 1:>+6.1%}", "dim")
