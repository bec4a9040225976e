"""Pages of ranges of keys, as all stores cut them.

It owns the end of a page. It must never know where records are kept.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from limedb.core.key_range import KeyRange
from limedb.core.record import Record, value_size
from limedb.ports import RangePage


def cut_page(found: Iterable[tuple[Record, int]], limit: int, max_bytes: int) -> RangePage:
    """The first page of a range. found: records with their sizes, in order."""
    page: list[Record] = []
    size = 0
    for record, record_bytes in found:
        if len(page) >= limit or size >= max_bytes:
            return RangePage(page, is_end=False)
        page.append(record)
        size += record_bytes
    return RangePage(page, is_end=True)


def ordered_range(ordered: Sequence[str], keys: KeyRange) -> Iterator[str]:
    """The keys of a range, out of ordered keys."""
    last = len(ordered) if keys.end is None else bisect_left(ordered, keys.end)
    return (ordered[i] for i in range(bisect_left(ordered, keys.start), last))


def record_size(record: Record) -> int:
    """The bytes of a record's key and value."""
    return value_size(record.key) + (0 if record.value is None else value_size(record.value))
