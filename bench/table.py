"""The tables, as Markdown that is readable as source."""

from collections.abc import Iterator, Sequence

from bench.goals import Outcome
from bench.results import Figure, Results

_SMALL = 100.0


def figures_table(results: Results) -> str:
    """Return all figures; a ratio is to the first system of its group, in the same run."""
    rows = [
        [what if figure is figures[0] else "", *_figure_cells(figure, figures[0])]
        for what, figures in results.groups()
        for figure in figures
    ]
    return _table(["what", "system", "median", "min", "max", "unit", "ratio to the first"], rows, "lrrrlr")


def _figure_cells(figure: Figure, first: Figure) -> Iterator[str]:
    yield figure.system
    yield from map(number, (figure.median, min(figure.values), max(figure.values)))
    yield figure.unit
    yield f"{figure.median / first.median:.2f}" if first.median else ""


def goals_table(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for outcome in outcomes:
        goal = outcome.goal
        bound = f"{'at most' if goal.at_most else 'at least'} {number(goal.bound)}"
        span = f"{number(outcome.low)} to {number(outcome.high)}" if outcome.value is not None else ""
        rows.append([goal.text, bound, number(outcome.value), span, outcome.verdict])
    return _table(["goal", "bound", "measured", "any two rounds", ""], rows, "lrrl")


def left_out_list(results: Results) -> str:
    """Return the measurements that were left out, a line each."""
    return "\n".join(f"- left out: {name}: {why}" for name, why in results.left_out.items())


def facts_list(facts: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())


def number(value: float | None) -> str:
    """Format a number with about three significant digits."""
    if value is None:
        return ""
    if abs(value) >= _SMALL:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < _SMALL / 10 else f"{value:.1f}"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], aligned: str) -> str:
    """aligned: l or r for each column after the first."""
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    sides = "l" + aligned
    rule = [("-" * (w - 1) + ":") if side == "r" else "-" * w for w, side in zip(widths, sides, strict=True)]
    lines = [
        [
            cell.rjust(w) if side == "r" else cell.ljust(w)
            for cell, w, side in zip(row, widths, sides, strict=True)
        ]
        for row in [titles, rule, *rows]
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
