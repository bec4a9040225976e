"""The figures in docs/: the tables between two marks of performance.md, and the chart."""

from pathlib import Path

PAGE = Path("docs/performance.md")
CHART = Path("docs/performance.svg")
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"


def write(tables: str, svg: str) -> None:
    """Replace the figures. SystemExit: the page has lost its marks."""
    page = PAGE.read_text()
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} lacks the lines {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")
    CHART.write_text(svg)
