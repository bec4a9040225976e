"""Pages of the keys that one node holds, as clients see them: without LimeDB's own.

It owns the numbers of such a page. It must never return a reserved key, nor count one. Nodes hold few of
these, such as a record for each user; keys that sort before them begin with NUL, so mostly there are none.

Tested in tests/replication/test_own_keys.py.
"""

from limedb.core.record import Record
from limedb.core.reserved import PREFIX, is_reserved, public
from limedb.ports import Store

CHUNK = 256


async def own_page(
    store: Store, page: int, size: int, after: str | None, now_ms: int
) -> tuple[list[Record], int]:
    """A page of live keys, and how many keys there are in all. after: a key; None: by its number, from 1."""
    hidden = await _count(store, PREFIX, now_ms)
    total = max(0, store.count() - hidden)
    skip = 0 if after is not None else (page - 1) * size
    if skip >= total:
        return [], total
    if hidden and after is None and skip >= await _before(store, now_ms):
        skip += hidden
    found = await store.scan_keys(after, size + hidden, now_ms, skip)
    return public(found)[:size], total


async def _count(store: Store, after: str, now_ms: int) -> int:
    """How many reserved keys there are behind one."""
    count = 0
    while records := await store.scan_keys(after, CHUNK if count else 1, now_ms):
        own = [record for record in records if is_reserved(record.key)]
        count += len(own)
        if len(own) < len(records):
            break
        after = own[-1].key
    return count


async def _before(store: Store, now_ms: int) -> int:
    """How many keys sort before the reserved ones."""
    count, after = 0, None
    while records := await store.scan_keys(after, CHUNK, now_ms):
        before = [record for record in records if record.key < PREFIX]
        count += len(before)
        if len(before) < len(records):
            break
        after = before[-1].key
    return count
