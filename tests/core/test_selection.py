"""The keys that a watch selects."""

import pytest

from limedb.core.selection import WatchFilter


@pytest.mark.parametrize(
    ("selected", "held", "others"),
    [
        (WatchFilter(), ["", "a", "é"], []),
        (WatchFilter(key="a"), ["a"], ["", "ab", "b"]),
        (WatchFilter(prefix="a"), ["a", "ab"], ["", "b", "ba"]),
        (WatchFilter(key="a", prefix="b"), ["a"], ["b"]),
    ],
    ids=str,
)
def test_a_filter_holds_one_key_or_those_with_a_prefix(
    selected: WatchFilter, held: list[str], others: list[str]
) -> None:
    assert [key for key in held + others if selected.holds(key)] == held
