"""The chart: the rates side by side, as an SVG that is readable on light and on dark pages.

A panel for each measurement, a bar for each system, the span from the slowest to the fastest round as a
line, and the value as text.
"""

from collections.abc import Sequence
from html import escape

from bench import names
from bench.results import Figure, Results
from bench.table import number

PANELS = (
    names.unary("get"),
    names.unary("set"),
    names.batches("get"),
    names.batches("set"),
    names.library("get", 64),
    names.library("set", 64),
    names.library("get", 256),
    names.library("set", 256),
    names.latency("get", 2000, 99),
    names.latency("set", 2000, 99),
)

_PANEL_WIDTH, _GAP, _MARGIN = 460, 30, 16
_LABEL, _NUMBER = 190, 70  # widths of the texts before and behind a bar
_BAR, _STEP, _TITLE = 14, 22, 34
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 13px }
  .note, .unit { fill: #59636e; font-weight: 400 }
  .ours { fill: #3d8b37 } .other { fill: #8c959f }
  .span { stroke: #1f2328; stroke-width: 1.5 }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .note, .unit { fill: #9198a1 }
    .ours { fill: #6cc35f } .other { fill: #656c76 }
    .span { stroke: #f0f6fc } .page { fill: #0d1117 }
  }
"""


def draw(results: Results, note: str) -> str:
    """The SVG. note: one line under it, of how the figures were made."""
    groups = dict(results.groups())
    panels = [(what, groups[what]) for what in PANELS if what in groups]
    parts, top = [], _MARGIN
    for start in range(0, len(panels), 2):
        pair = panels[start : start + 2]
        for column, (what, figures) in enumerate(pair):
            left = _MARGIN + column * (_PANEL_WIDTH + _GAP)
            parts += _panel(what, figures, left, top)
        top += max(_height(figures) for _, figures in pair)
    width, height = 2 * (_PANEL_WIDTH + _MARGIN) + _GAP, top + 20
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
            "<title>LimeDB beside its peers</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{width}" height="{height}"/>',
            *parts,
            f'<text class="note" x="{_MARGIN}" y="{height - 12}">{escape(note)}</text>',
            "</svg>\n",
        ]
    )


def _height(figures: Sequence[Figure]) -> int:
    return _TITLE + _STEP * len(figures) + 14


def _panel(what: str, figures: Sequence[Figure], left: int, top: int) -> list[str]:
    first = figures[0]
    unit = f"{first.unit}, {'less' if first.low_is_good else 'more'} is better"
    parts = [
        f'<text class="title" x="{left}" y="{top + 14}">{escape(what)}',
        f'<tspan class="unit" dx="5">({unit})</tspan></text>',
    ]
    largest = max(max(figure.values) for figure in figures)
    scale = (_PANEL_WIDTH - _LABEL - _NUMBER) / largest if largest else 0.0
    for line, figure in enumerate(figures):
        parts += _bar(figure, left, top + _TITLE - 8 + line * _STEP, scale)
    return parts


def _bar(figure: Figure, left: int, top: int, scale: float) -> list[str]:
    kind = "ours" if figure.system.startswith("LimeDB") else "other"
    width = scale * figure.median
    start, middle = left + _LABEL, top + _BAR / 2
    low, high = (start + scale * value for value in (min(figure.values), max(figure.values)))
    return [
        f'<text x="{start - 8}" y="{top + 11}" text-anchor="end">{escape(figure.system)}</text>',
        f'<rect class="{kind}" x="{start}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
        f'<line class="span" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{high + 6:.1f}" y="{top + 11}">{number(figure.median)}</text>',
    ]
