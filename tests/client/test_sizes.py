"""What is too large is refused by itself: the calls that travel with it are carried out."""

import asyncio
from collections.abc import Iterator

import pytest

import limedb
from limedb.core.limits import MAX_STORED_VALUE
from limedb.errors import InvalidKeyError, InvalidRequestError, PartialFailureError, ValueTooLargeError
from tests.support.clusters import RunningCluster, running_cluster
from tests.support.keys import new_key

MIB = 1 << 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Of this file alone: large values leave the watches of other tests no changes to resume from."""
    with running_cluster(tmp_path_factory.mktemp("sizes"), nodes=3) as running:
        yield running


@pytest.mark.parametrize("size", [70 * MIB, MAX_STORED_VALUE + 1, MAX_STORED_VALUE, 5 * MIB])
@pytest.mark.parametrize("through", ["node", "envoy"])
async def test_a_value_that_is_too_large_harms_no_other_call(
    cluster: RunningCluster, through: str, size: int
) -> None:
    address = cluster.envoy_address if through == "envoy" else cluster.nodes[0].address
    keys = [new_key() for _ in range(200)]
    async with limedb.connect(address, follow_ring=through == "node", timeout=60) as db:
        large = new_key()
        calls = [db.set(key, "v") for key in keys]
        calls.insert(100, db.set(large, b"\xff" * size))
        refused = (await asyncio.gather(*calls, return_exceptions=True)).pop(100)
        assert isinstance(refused, ValueTooLargeError)
        assert (refused.key, refused.size) == (large, size)
        assert refused.nothing_written
        assert await db.get_many([*keys, large]) == dict.fromkeys(keys, "v")


@pytest.mark.parametrize("below", [0, 1, 11, 12, 64 << 10])
@pytest.mark.parametrize("through", ["node", "envoy"])
async def test_the_largest_value_that_a_node_accepts_can_be_read(
    cluster: RunningCluster, through: str, below: int
) -> None:
    """Everywhere: an answer has a key and a frame besides."""
    address = cluster.envoy_address if through == "envoy" else cluster.nodes[0].address
    value, text = b"\xff" * (4 * MIB - below), "v" * (4 * MIB - below)
    options = {"follow_ring": through == "node", "timeout": 60}
    async with (
        limedb.connect(address, **options) as db,
        limedb.connect(address, idempotent=True, patient=True, **options) as idempotent,
    ):
        key, small = new_key(), new_key()
        await db.set_many({key: value, small: "s"}, consistency="all")
        await idempotent.set(f"{key}/text", text, consistency="all")
        for level in ("one", "quorum", "all", "linearizable"):
            assert await db.get(key, consistency=level) == value
        assert await db.get_many([key]) == {key: value}
        found = await db.get_many([small, key, f"{key}/text"], consistency="linearizable")
        assert found == {key: value, small: "s", f"{key}/text": text}
        assert await idempotent.get(f"{key}/text") == text
        assert [entry.value async for entry in db.scan(key)] == [value, text]
        async with db.watch(key) as changes:
            await db.set(key, text)
            assert (await changes.next(timeout=60)).value == text


async def test_a_single_node_reads_the_largest_value_too(node: str) -> None:
    key = new_key()
    async with limedb.connect(node, timeout=60) as db:
        await db.set(key, bytes(4 * MIB))
        assert await db.get(key) == bytes(4 * MIB)
        assert await db.get_many([key, new_key()]) == {key: bytes(4 * MIB)}


async def test_of_many_writes_the_one_that_is_too_large_is_refused(node: str) -> None:
    key, values = new_key(), {new_key(): "v" for _ in range(50)}
    async with limedb.connect(node) as db:
        with pytest.raises(PartialFailureError) as caught:
            await db.set_many({**values, key: "é" * (MAX_STORED_VALUE // 2 + 1)})
        assert list(caught.value.errors) == [key]
        assert caught.value.total == 51
        assert isinstance(caught.value.errors[key], ValueTooLargeError)
        assert await db.get_many([*values, key]) == values


async def test_ranges_are_checked_before_anything_is_sent(node: str) -> None:
    """A message over gRPC's limit would count as a node that does not answer."""
    huge = "p" * (70 * MIB)
    async with limedb.connect(node, timeout=30) as db:
        for scan in ({"prefix": huge}, {"start": huge}, {"end": huge}):
            with pytest.raises(InvalidKeyError):
                db.scan(**scan)
        with pytest.raises(InvalidKeyError):
            db.watch(prefix=huge)
        with pytest.raises(InvalidKeyError):
            db.watch(huge)
        for call in (
            lambda: db.scan("\ud800"),
            lambda: db.scan(b"p"),
            lambda: db.watch(prefix=b"p"),
            lambda: db.scan_pages(page_size=-1),
            lambda: db.scan_pages(page_size=1001),
        ):
            with pytest.raises(InvalidRequestError):
                call()
        assert await db.get(new_key()) is None


def test_the_synchronous_twin_refuses_the_same(node: str) -> None:
    with limedb.connect_sync(node) as db:
        with pytest.raises(ValueTooLargeError):
            db.set(new_key(), b"x" * (70 * MIB))
        with pytest.raises(InvalidKeyError):
            db.scan("p" * (70 * MIB))
        assert db.get(new_key()) is None
