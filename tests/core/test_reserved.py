"""Which keys are LimeDB's own, and views without them."""

from typing import NamedTuple

from limedb.core.key_range import end_of_prefix
from limedb.core.reserved import END, PREFIX, is_reserved, public, public_part


class Item(NamedTuple):
    key: str


def test_reserved_keys_are_those_with_the_prefix() -> None:
    assert end_of_prefix(PREFIX) == END
    assert is_reserved(f"{PREFIX}users/a")
    assert not any(map(is_reserved, ("", "\0", "\0limedb", "\0limedb0", "limedb/")))


def test_views_leave_them_out() -> None:
    items = [Item(key) for key in ("\0", f"{PREFIX}a", f"{PREFIX}b", END, "a")]
    assert [item.key for item in public(items)] == ["\0", END, "a"]
    assert public_part(items) == public(items)
    assert public_part(items[3:]) is not None
    assert public_part([]) == []
