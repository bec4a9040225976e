"""The refused requests, and the texts of the refusals."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from limedb.cluster.gossip.bounds import MAX_ENTRIES
from limedb.core.condition import Condition
from limedb.core.limits import MAX_GOSSIP_SIZE, MAX_TTL_MS
from limedb.core.moment import MAX_EXPIRES_AT_MS, MIN_EXPIRES_AT_MS
from limedb.core.quorum import Level
from limedb.errors import InvalidKeyError, InvalidRequestError, ValueTooLargeError
from limedb.replication.coordinator import Write
from limedb.replication.groups.transaction import Comparison, Transaction
from limedb.rpc.server.checks import Checks
from limedbpb.v1 import gossip_pb2, kv_pb2, record_pb2

T = TypeVar("T")
checks = Checks(max_value_size=10)


@pytest.mark.parametrize("key", ["k", "/", "x" * 4096, "€" * 1365, "😀" * 1024, " "])
def test_keys_up_to_4096_bytes_pass(key: str) -> None:
    assert checks.key(key) == key


@pytest.mark.parametrize(
    ("key", "size"), [("", 0), ("x" * 4097, 4097), ("€" * 1366, 4098), ("😀" * 1025, 4100)]
)
def test_keys_of_no_or_too_many_bytes_are_refused(key: str, size: int) -> None:
    with pytest.raises(InvalidKeyError, match="a key has 1 to 4096 bytes of UTF-8") as caught:
        checks.key(key)
    assert caught.value.size == size


@pytest.mark.parametrize("value", ["x" * 11, b"x" * 11, "€" * 4])
def test_a_value_over_the_limit_is_refused_with_the_limit(value: str | bytes) -> None:
    with pytest.raises(ValueTooLargeError, match=r"over the limit of 10 bytes \(MAX_VALUE_SIZE\)"):
        checks.write(Write("k", value))
    assert checks.write(Write("k", value[:3])).key == "k"


def test_a_write_says_what_to_do() -> None:
    with pytest.raises(InvalidRequestError, match=r"set value \(text\) or blob"):
        checks.content(kv_pb2.SetRequest(key="k"))
    with pytest.raises(InvalidRequestError, match="delete is false"):
        checks.content(kv_pb2.BatchWrite(key="k", delete=False))
    checks.content(kv_pb2.SetRequest(key="k", value=""))
    checks.content(kv_pb2.BatchWrite(key="k", delete=True))


def test_a_time_to_live_is_at_most_a_hundred_years() -> None:
    assert checks.write(Write("k", "v", MAX_TTL_MS))
    with pytest.raises(InvalidRequestError, match="100 years"):
        checks.write(Write("k", "v", MAX_TTL_MS + 1))


@pytest.mark.parametrize("moment", [MIN_EXPIRES_AT_MS, MAX_EXPIRES_AT_MS])
def test_a_value_may_expire_from_1973_to_9999(moment: int) -> None:
    assert checks.write(Write("k", "v", expires_at_ms=moment)).expires_at_ms == moment


@pytest.mark.parametrize("moment", [1, MIN_EXPIRES_AT_MS - 1, MAX_EXPIRES_AT_MS + 1, 2**64 - 1])
def test_a_moment_that_is_none_in_milliseconds_is_refused(moment: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"expiresAtMs={moment}: must be .* in milliseconds"):
        checks.write(Write("k", "v", expires_at_ms=moment))


def test_a_write_has_one_end_and_a_delete_none() -> None:
    with pytest.raises(InvalidRequestError, match="give one of them"):
        checks.write(Write("k", "v", 5, expires_at_ms=MIN_EXPIRES_AT_MS))
    with pytest.raises(InvalidRequestError, match="a delete has none"):
        checks.write(Write("k", None, expires_at_ms=MIN_EXPIRES_AT_MS))
    with pytest.raises(InvalidRequestError, match="ttlMs=5 for key 'k': a delete has none; leave it out"):
        checks.write(Write("k", None, 5))


def check_each(name: str, items: Sequence[T], check: Callable[[T], T]) -> list[T]:
    with checks.each(name, items, check):
        return [check(item) for item in items]


def test_a_refused_item_of_many_has_its_place_unless_the_refusal_names_its_key() -> None:
    with pytest.raises(InvalidKeyError, match=r"^keys\[2\]: key is empty") as caught:
        check_each("keys", ["a", "b", "", ""], checks.key)
    assert caught.value.size == 0
    with pytest.raises(ValueTooLargeError, match=r"^value of 11 bytes for key 'k'"):
        check_each("writes", [Write("j", "v"), Write("k", "v" * 11)], checks.write)
    assert check_each("keys", ["a", "b"], checks.key) == ["a", "b"]


@pytest.mark.parametrize("size", [0, 10_001])
def test_batches_hold_1_to_10000_items(size: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"keys holds {size} items: must be 1 to 10000"):
        checks.batch("keys", size)


def test_pages_have_defaults_and_limits() -> None:
    page = checks.page(kv_pb2.ListKeysRequest())
    assert (page.number, page.size, page.after) == (1, 20, None)
    assert checks.page(kv_pb2.ListKeysRequest(page_size=1001)).size == 1000
    with pytest.raises(InvalidRequestError, match="give one of them"):
        checks.page(kv_pb2.ListKeysRequest(page=2, after="k"))
    with pytest.raises(InvalidRequestError, match="pageSize=1001: must be 1 to 1000, or 0 for 100"):
        checks.scan(kv_pb2.ScanRequest(page_size=1001))


def test_levels_are_those_of_the_core_and_none_for_the_default() -> None:
    names = record_pb2.Consistency.keys()
    levels = [checks.consistency(record_pb2.Consistency.Value(name)) for name in names]
    assert levels == [None, Level.ONE, Level.QUORUM, Level.ALL, Level.LINEARIZABLE]


def test_a_watch_has_an_interval_within_limits() -> None:
    assert [checks.watch_interval(ms) for ms in (0, 100, 30_000)] == [1.0, 0.1, 30.0]
    for interval in (1, 99, 30_001):
        with pytest.raises(InvalidRequestError, match="intervalMs="):
            checks.watch_interval(interval)


def test_levels_outside_the_contract_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="CONSISTENCY_QUORUM"):
        checks.consistency(9)


def test_gossip_that_no_node_sends_is_refused_by_its_size() -> None:
    def names(count: int, length: int = 0) -> gossip_pb2.GossipPayload:
        url = "http://n:1" + "1" * length
        return gossip_pb2.GossipPayload(digests=[gossip_pb2.Digest(node_url=url)] * count)

    checks.gossip(names(MAX_ENTRIES))
    with pytest.raises(InvalidRequestError, match="2001 entries"):
        checks.gossip(names(MAX_ENTRIES + 1))
    with pytest.raises(InvalidRequestError, match="bytes"):
        checks.gossip(names(3, MAX_GOSSIP_SIZE))


def test_conditions_that_name_nothing_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="condition for key 'k' is empty: set version"):
        checks.write(Write("k", "v", condition=Condition()))
    compared = Comparison("{g}k", Condition(version=0)), Comparison("{g}l", Condition())
    with pytest.raises(
        InvalidRequestError, match=r"compare\[1\]: condition for key .* is empty: set version"
    ):
        checks.transaction(Transaction(compared, ()))
    for condition in Condition(version=0), Condition(value=""), Condition(exists=False):
        assert checks.write(Write("k", "v", condition=condition)).condition is condition


def test_a_life_that_is_kept_is_the_only_one() -> None:
    with pytest.raises(InvalidRequestError, match="keepTtl and ttlMs=5 for key 'k': give one of them"):
        checks.write(Write("k", "v", 5, keep_ttl=True))
    moment = MIN_EXPIRES_AT_MS
    with pytest.raises(InvalidRequestError, match=f"keepTtl and expiresAtMs={moment} for key 'k'"):
        checks.write(Write("k", "v", expires_at_ms=moment, keep_ttl=True))
    with pytest.raises(InvalidRequestError, match="keepTtl for key 'k': a delete has none"):
        checks.write(Write("k", None, keep_ttl=True))
    assert checks.write(Write("k", "v", keep_ttl=True)).keep_ttl
