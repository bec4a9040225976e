"""What callers get, from a real node.

Tests limedb/client/arguments.py, limedb/client/batches.py and limedb/client/stream.py.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import limedb
from limedb.core.quorum import Level
from limedb.errors import (
    InvalidKeyError,
    InvalidRequestError,
    MalformedRequestError,
    PartialFailureError,
    RequestTimeoutError,
    UnavailableError,
    ValueTooLargeError,
)
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key
from tests.support.ports import free_port
from tests.support.waiting import wait_for


@pytest.mark.parametrize("value", ["text", "", "grüß \U0001f34b", b"\x00\xff", b"", "v" * 300_000])
async def test_what_is_stored_is_read_as_it_was(node: str, value: str | bytes) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        receipt = await db.set(key, value)
        assert (receipt.acked, receipt.replicas) == (1, 1)
        assert await db.get(key) == value
        assert type(await db.get(key)) is type(value)


async def test_a_key_without_a_value_is_the_default(node: str) -> None:
    async with limedb.connect(node) as db:
        assert await db.get(new_key()) is None
        assert await db.get(new_key(), "nothing") == "nothing"


async def test_a_delete_says_whether_there_was_anything(node: str) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        await db.set(key, "v")
        assert await db.delete(key) is True
        assert await db.delete(key) is False
        assert await db.get(key) is None


@pytest.mark.parametrize("ttl", [0.05, timedelta(milliseconds=50)])
def test_a_value_lives_as_long_as_its_ttl(node: str, ttl: Any) -> None:
    key = new_key()
    with limedb.connect_sync(node) as db:
        db.set(key, "v", ttl=ttl)
        wait_for("the value to end", lambda: db.get(key) is None)


async def test_a_later_write_has_a_higher_version(node: str) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        first, second = await db.set(key, "1"), await db.set(key, "2")
        assert second.version > first.version
        assert first.epoch >= 1


@pytest.mark.parametrize("level", ["one", "quorum", "all", "linearizable", Level.QUORUM])
async def test_each_level_can_be_asked_for(cluster: RunningCluster, level: str) -> None:
    key = new_key()
    async with limedb.connect(cluster.nodes[0].address, consistency=level) as db:
        receipt = await db.set(key, "v", consistency=level)
        assert receipt.replicas == 3
        seen = await db.get(key, consistency=level)
        assert seen == "v" or (level == "one" and seen is None)  # which promises no more
        assert await db.get(key, consistency="all" if level == "one" else level) == "v"


async def test_many_keys_go_together(cluster: RunningCluster) -> None:
    values = {new_key(): f"value {i}" for i in range(2500)}
    missing = [new_key() for _ in range(10)]
    async with limedb.connect(cluster.nodes[0].address) as db:
        receipts = await db.set_many(values)
        assert receipts.keys() == values.keys()
        assert await db.get_many([*values, *missing]) == values
        assert await db.delete_many([*values, *missing]) == len(values)
        assert await db.get_many(values) == {}


async def test_none_is_many_too(node: str) -> None:
    async with limedb.connect(node) as db:
        assert await db.get_many([]) == {}
        assert await db.set_many({}) == {}
        assert await db.delete_many([]) == 0


async def test_answers_that_are_too_large_together_are_fetched_in_parts(node: str) -> None:
    values = {new_key(): "v" * 900_000 for _ in range(9)}
    async with limedb.connect(node) as db:
        await db.set_many(values)
        assert await db.get_many(values) == values
        assert await asyncio.gather(*(db.get(key) for key in values)) == [*values.values()]


async def test_calls_at_once_each_get_their_own(cluster: RunningCluster) -> None:
    keys = [new_key() for _ in range(300)]
    async with limedb.connect(cluster.nodes[0].address) as db:
        await asyncio.gather(*(db.set(key, f"of {key}") for key in keys))
        assert await asyncio.gather(*(db.get(key) for key in keys)) == [f"of {key}" for key in keys]


async def test_writes_of_one_key_at_once_are_each_carried_out(node: str) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        results = await asyncio.gather(db.set(key, "1"), db.delete(key), db.set(key, "2"))
        assert results[0].version != results[2].version
        assert await db.get(key) in ("1", "2", None)


@pytest.mark.parametrize(
    ("key", "error"),
    [("", InvalidKeyError), ("k" * 5000, InvalidKeyError), ("\ud800", MalformedRequestError)],
)
async def test_a_bad_key_is_refused(node: str, key: str, error: type[Exception]) -> None:
    async with limedb.connect(node) as db:
        for call in (db.get(key), db.set(key, "v"), db.delete(key), db.get_many([key])):
            with pytest.raises(error):
                await call


NUMBERS = [0, -1, float("nan"), float("inf"), 1e300, 2**66, "5", True]
OPTIONS = [
    *({name: number} for name in ("ttl", "timeout", "expires_at") for number in NUMBERS),
    {"consistency": "most"},
    {"expires_at": datetime(2999, 1, 1)},
    {"expires_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))},
    {"ttl": 5, "expires_at": 4e9},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
async def test_a_bad_option_is_refused(node: str, options: dict[str, Any]) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match=next(iter(options))):
            await db.set(key, "v", **options)
        with pytest.raises(InvalidRequestError, match=next(iter(options))):
            await db.set_many({key: "v"}, **options)


@pytest.mark.parametrize("ttl", [2**66, 1e300])
async def test_a_mapping_of_lives_is_checked_as_one_is(node: str, ttl: float) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match=f"^key '{key}': ttl="):
            await db.set_many({key: "v", "other": "v"}, {"other": 5, key: ttl})
        with pytest.raises(InvalidRequestError, match=f"^key '{key}': expires_at="):
            await db.set_many({key: "v"}, expires_at={key: ttl})
        with pytest.raises(InvalidRequestError, match=f"^key '{key}' has a ttl and an expires_at"):
            await db.set_many({key: "v", "other": "v"}, ttl={key: 5}, expires_at=4e9)
        assert await db.get_many([key, "other"]) == {}
        with pytest.raises(InvalidRequestError, match="expires_at of key 'other'"):
            await db.set_many({key: "v"}, expires_at={"other": 4e9})


@pytest.mark.parametrize("idempotent", [False, True])
async def test_a_value_expires_at_the_moment_that_was_given(
    cluster: RunningCluster, idempotent: bool
) -> None:
    prefix = new_key()
    keys = [f"{prefix}{n}" for n in range(5)]
    moment = datetime(2999, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)
    ends = {keys[2]: 4_000_000_000.001, keys[3]: time.time() - 5}
    async with limedb.connect(cluster.nodes[0].address, idempotent=idempotent) as db:
        await db.set_many(dict.fromkeys(keys, "before"))
        await db.set(keys[0], b"v", expires_at=moment)
        await db.set(keys[1], "v", expires_at=time.time() - 1)
        await db.set_many(dict.fromkeys(keys[2:], "v"), {keys[4]: 3600}, expires_at=ends)
        found = {entry.key: entry.expires_at_ms async for entry in db.scan(prefix)}
    late = found.pop(keys[4]) - time.time_ns() // 1_000_000
    assert found == {keys[0]: 32_472_144_000_123, keys[2]: 4_000_000_000_001}
    assert 3_500_000 < late <= 3_600_500


ADDRESSES = [
    *("", ",", "host", "host:", ":80", "host:0", "host:99999", "host:-1", "host: 1", "::1:80", "[::1:80"),
    *("user@host:1", "host:1?x", "host:1#x", "http://host:1/x", "ftp://host:1", None, 5, ["host:1"]),
]


@pytest.mark.parametrize("address", ADDRESSES, ids=str)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(address: Any) -> None:
    with pytest.raises(InvalidRequestError, match="must be"):
        limedb.connect(address)


@pytest.mark.parametrize("value", ["yes", 1, None])
async def test_an_option_that_is_true_or_false_is_nothing_else(node: str, value: Any) -> None:
    for name in ("idempotent", "patient"):
        with pytest.raises(InvalidRequestError, match=f"^{name}=.*: must be True or False"):
            limedb.connect(node, **{name: value})
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match=r"^keys_only=.*: must be True or False"):
            await db.scan(keys_only=value).next()


@pytest.mark.parametrize(
    "timeout", [1e300, math.inf, 10**5000, timedelta.max], ids=["1e300", "inf", "10^5000", "max"]
)
async def test_a_wait_may_take_as_long_as_one_likes(node: str, timeout: Any) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        await db.set(key, "v")
        entry = await db.scan(key).next(timeout=timeout)
        assert entry is not None
        assert entry.value == "v"
        with pytest.raises(InvalidRequestError, match=r"^timeout=[^\n]*: must be more than 0 s"):
            await db.scan(key).next(timeout=-(10**5000))


@pytest.mark.parametrize("number", [-1, 2**66, 10**5000, 1e300, float("nan"), "5", True], ids="abcdefg")
@pytest.mark.parametrize("name", ["limit", "page_size", "after_version", "ttl", "timeout", "expires_at"])
async def test_a_number_that_is_none_is_refused_in_one_line(node: str, name: str, number: Any) -> None:
    async with limedb.connect(node) as db:
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "after_version": lambda: anext(db.watch_pages(new_key(), after_version=number)),
            "limit": lambda: anext(db.scan_pages(limit=number)),
            "page_size": lambda: anext(db.scan_pages(page_size=number)),
        }
        call = calls.get(name, lambda: db.set(new_key(), "v", **{name: number}))
        with pytest.raises(InvalidRequestError, match=rf"^{name}=[^\n]*: must be [^\n]*$"):
            await call()


@pytest.mark.parametrize("value", ["\ud800", 7, None])
async def test_a_bad_value_is_refused(node: str, value: Any) -> None:
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError):
            await db.set(new_key(), value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cluster_id", 5),
        ("cluster_id", b"0" * 16),
        ("tls_ca", 5),
        ("tls_cert", True),
        ("tls_key", []),
    ],
)
def test_an_option_of_the_wrong_type_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name}="):
        limedb.connect("127.0.0.1:8484", **{name: value})


@pytest.mark.parametrize("addresses", ["", "nowhere", "host:port", "a:1,b", "ftp://a:1", "http://a:1/path"])
def test_bad_addresses_are_refused(addresses: str) -> None:
    with pytest.raises(InvalidRequestError):
        limedb.connect(addresses)


async def test_what_one_caller_does_wrong_fails_no_other(node: str) -> None:
    key, large, other = new_key(), new_key(), new_key()
    async with limedb.connect(node) as db:
        results = await asyncio.gather(
            db.set(key, "v"), db.set(large, "v" * (5 << 20)), db.set(other, "v"), return_exceptions=True
        )
        error = results[1]
        assert isinstance(error, ValueTooLargeError)
        assert (error.key, error.size, error.limit) == (large, 5 << 20, 4 << 20)
        assert await db.get_many([key, large, other]) == {key: "v", other: "v"}


async def test_those_of_many_that_fail_are_named(node: str) -> None:
    key, large = new_key(), new_key()
    async with limedb.connect(node) as db:
        with pytest.raises(PartialFailureError) as caught:
            await db.set_many({key: "v", large: "v" * (5 << 20)})
        assert caught.value.errors.keys() == {large}
        assert isinstance(caught.value.errors[large], ValueTooLargeError)
        assert await db.get(key) == "v"


@pytest.mark.parametrize("keys", ["abc", b"abc", bytearray(b"abc"), None, 7])
async def test_what_is_no_collection_of_keys_is_refused(node: str, keys: Any) -> None:
    """The letters of one key are not keys."""
    letters = ["a", "b", "c"]
    async with limedb.connect(node) as db:
        await db.set_many(dict.fromkeys(letters, "kept"))
        for call in (db.get_many, db.delete_many):
            with pytest.raises(InvalidRequestError, match="must be a list, or another iterable, of keys"):
                await call(keys)
        assert await db.get_many(iter(letters)) == dict.fromkeys(letters, "kept")
        assert await db.get_many(dict.fromkeys(letters)) == dict.fromkeys(letters, "kept")
    with limedb.connect_sync(node) as db:
        with pytest.raises(InvalidRequestError):
            db.delete_many(keys)
        with pytest.raises(InvalidRequestError):
            db.get_many(keys)


@pytest.mark.parametrize("values", [[("k", "v")], "kv", None])
async def test_what_is_no_mapping_of_values_is_refused(node: str, values: Any) -> None:
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match="must be a dict, or another mapping"):
            await db.set_many(values)


@pytest.mark.parametrize("addresses", [["127.0.0.1:1"], None, b"127.0.0.1:1"])
def test_addresses_that_are_no_text_are_refused(addresses: Any) -> None:
    for connect in (limedb.connect, limedb.connect_sync):
        with pytest.raises(InvalidRequestError, match="separated by commas"):
            connect(addresses)


def test_what_can_never_be_reached_is_said_of_an_option() -> None:
    with pytest.raises(InvalidRequestError, match="must all be https, or none"):
        limedb.connect("https://127.0.0.1:8484,http://127.0.0.1:8485")
    with pytest.raises(InvalidRequestError, match="with tls_ca or tls_cert"):
        limedb.connect("http://127.0.0.1:8484", tls_ca="ca.pem")
    with pytest.raises(InvalidRequestError, match="go together"):
        limedb.connect_sync("127.0.0.1:8484", tls_cert="cert.pem")
    with pytest.raises(InvalidRequestError, match="must be True, False or 'auto'"):
        limedb.connect("127.0.0.1:8484", follow_ring="x")  # type: ignore[arg-type]


async def test_a_cancelled_call_harms_no_other(node: str) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        await db.set(key, "v")
        calls = [asyncio.create_task(db.get(key)) for _ in range(20)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert results[1::2] == ["v"] * 10
        assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])


async def test_nothing_at_an_address_is_said_at_once() -> None:
    with free_port() as port, pytest.raises(UnavailableError, match=f"127.0.0.1:{port}"):
        await limedb.connect(f"127.0.0.1:{port}", timeout=30).open()


async def test_one_good_address_among_bad_ones_is_enough(node: str) -> None:
    with free_port() as port:
        async with limedb.connect(f"127.0.0.1:{port},{node}") as db:
            assert await db.get(new_key()) is None


async def test_a_closed_client_says_so(node: str) -> None:
    async with limedb.connect(node) as db:
        pass
    with pytest.raises(UnavailableError, match="closed"):
        await db.get("k")
    with pytest.raises(UnavailableError, match="closed"):
        await db.set("k", "v")


async def test_calls_that_wait_when_the_client_closes_end(node: str) -> None:
    async with limedb.connect(node) as db:
        calls = [asyncio.create_task(db.get(new_key())) for _ in range(50)]
        calls += [asyncio.create_task(db.get_many([new_key()])) for _ in range(5)]
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, UnavailableError | PartialFailureError) for result in results)


async def test_a_call_ends_at_its_timeout_when_nobody_answers(broken: RunningCluster) -> None:
    async with limedb.connect(broken.nodes[0].address) as db:
        for member in broken.nodes:
            broken.pause(member.name)
        try:
            with pytest.raises((RequestTimeoutError, UnavailableError)):
                await db.get(new_key(), timeout=0.3)
            with pytest.raises(UnavailableError):
                await db.set(new_key(), "v", timeout=0.3)
        finally:
            for member in broken.nodes:
                broken.resume(member.name)
