"""Pages of a range: never over the limit by more than a token's keys, never a token in two."""

from hypothesis import given
from hypothesis import strategies as st

from limedb.core.layout import Span
from limedb.replication.page import BYTES, CHUNK, TokenPage

ROWS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, BYTES // 2)), max_size=200).map(sorted)


def read(rows: list[tuple[int, int]], first: int, last: int, limit: int) -> list[tuple[int, int]]:
    """As Store.scan_tokens: rows are tokens with the sizes of their records."""
    found = [row for row in rows if first <= row[0] <= last]
    if len(found) <= limit:
        return found
    return found[:limit] + [row for row in found[limit:] if row[0] == found[limit - 1][0]]


def page_of(rows: list[tuple[int, int]], span: Span, limit: int) -> list[tuple[int, int]]:
    """One page, put together as a replica does."""
    page = TokenPage[int](span, limit, lambda size: size)
    while wanted := page.wanted:
        assert wanted <= CHUNK
        page.add(read(rows, page.first, span.last, wanted), wanted)
    return page.found


@given(ROWS, st.integers(1, 150))
def test_pages_in_a_row_hold_everything_once(rows: list[tuple[int, int]], limit: int) -> None:
    told: list[tuple[int, int]] = []
    first = 0
    while page := page_of(rows, Span(first, 60), limit):
        told += page
        first = page[-1][0] + 1
        if first > 60:
            break
    assert told == rows


@given(ROWS, st.integers(1, 150))
def test_a_page_ends_at_its_bounds_and_only_there(rows: list[tuple[int, int]], limit: int) -> None:
    page = page_of(rows, Span(0, 60), limit)
    before_last = [row for row in page if row[0] < page[-1][0]] if page else []
    assert len(before_last) < limit
    assert sum(size for _, size in before_last) < BYTES
    if len(page) < min(limit, len(rows)):
        assert sum(size for _, size in page) >= BYTES
