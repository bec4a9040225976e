"""Pages of a node's own keys, without LimeDB's own."""

import pytest

from limedb.core.record import Record
from limedb.core.reserved import PREFIX, is_reserved
from limedb.replication.own_keys import own_page
from limedb.storage.memory.store import MemoryStore


@pytest.mark.parametrize("hidden", [0, 1, 2, 300])
@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
async def test_pages_hold_each_public_key_once(hidden: int, before: int, size: int) -> None:
    keys = [f"\0{i}" for i in range(before)] + [f"{PREFIX}{i:03}" for i in range(hidden)] + list("abcd")
    store = MemoryStore([Record(key, "x", version, 0) for version, key in enumerate(keys, 1)])
    wanted = [key for key in keys if not is_reserved(key)]
    by_number: list[str] = []
    for page in range(1, len(wanted) + 2):
        records, total = await own_page(store, page, size, None, 0)
        assert total == len(wanted)
        by_number += [record.key for record in records]
    after, by_cursor = "", list[str]()
    first, _ = await own_page(store, 1, size, None, 0)
    by_cursor += [record.key for record in first]
    while by_cursor[-1] != after:
        after = by_cursor[-1]
        records, _ = await own_page(store, 1, size, after, 0)
        by_cursor += [record.key for record in records]
    assert by_number == by_cursor == wanted
