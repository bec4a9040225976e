"""Writes with a moment, as nodes of this version and older ones read them."""

import pytest

from limedb.core.limits import MAX_TTL_MS
from limedb.core.moment import MAX_EXPIRES_AT_MS
from limedb.wire.expiry import WriteMessage, expire_at, ttl_ms_of
from limedb.wire.kv import batch_write_from, write_from
from limedbpb.v1 import kv_pb2

NOW = 1_900_000_000_000
MESSAGES = (kv_pb2.SetRequest, kv_pb2.SetDirectRequest, kv_pb2.BatchWrite)


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize(
    ("moment", "life"), [(NOW + 5000, 5000), (NOW, 1), (NOW - 1, 1), (MAX_EXPIRES_AT_MS, MAX_TTL_MS)]
)
def test_a_node_that_ignores_the_moment_has_a_time_to_live(
    message: type[WriteMessage], moment: int, life: int
) -> None:
    write = message(key="k", value="v")
    expire_at(write, moment, NOW)
    assert (write.ttl_ms, write.expires_at_ms) == (life, moment)
    read = (
        batch_write_from(write, "value")
        if isinstance(write, kv_pb2.BatchWrite)
        else write_from(write, "value")
    )
    assert (read.ttl_ms, read.expires_at_ms) == (0, moment)


@pytest.mark.parametrize("message", MESSAGES)
def test_both_without_a_word_stay_both(message: type[WriteMessage]) -> None:
    """So that the check refuses them."""
    assert ttl_ms_of(message(ttl_ms=5, expires_at_ms=NOW)) == 5
    assert ttl_ms_of(message(ttl_ms=5, ttl_is_fallback=True)) == 5
