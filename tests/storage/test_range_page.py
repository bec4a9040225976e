"""Where the pages of ranges end."""

import pytest

from limedb.core.key_range import KeyRange
from limedb.core.record import Record
from limedb.storage.range_page import cut_page, ordered_range, record_size

RECORDS = [Record(key, "v" * 9, 1) for key in "abcde"]
FOUND = [(record, record_size(record)) for record in RECORDS]


@pytest.mark.parametrize(
    ("limit", "max_bytes", "count", "is_end"),
    [
        (2, 1000, 2, False),
        (5, 1000, 5, True),
        (9, 1000, 5, True),
        (9, 20, 2, False),
        (9, 21, 3, False),
        (9, 1, 1, False),  # one that is too large alone comes alone
    ],
)
def test_a_page_ends_at_its_keys_or_its_bytes(limit: int, max_bytes: int, count: int, is_end: bool) -> None:
    page = cut_page(FOUND, limit, max_bytes)
    assert (page.records, page.is_end) == (RECORDS[:count], is_end)


@pytest.mark.parametrize(
    ("keys", "found"),
    [(KeyRange(), "abcde"), (KeyRange("b"), "bcde"), (KeyRange("b", "d"), "bc"), (KeyRange("f"), "")],
)
def test_a_range_holds_its_start_and_not_its_end(keys: KeyRange, found: str) -> None:
    assert "".join(ordered_range("abcde", keys)) == found


@pytest.mark.parametrize(("value", "size"), [(None, 2), ("é", 4), (b"\xff", 3)])
def test_a_size_counts_bytes_of_key_and_value(value: str | bytes | None, size: int) -> None:
    assert record_size(Record("é", value, 1)) == size
