"""Pages of keys fit a client that has gRPC's default limit, 4 MiB a message, unless one value is too large.

Tests limedb/rpc/server/key_streams.py and limedb/replication/watch/channel.py.
"""

from collections.abc import Iterator

import grpc
import pytest

from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key, new_key_of

GRPC_DEFAULT = 4 << 20
LARGEST = GRPC_DEFAULT - (8 << 10)
"""Bytes of a value that fits a message of 4 MiB, if there is little else in it."""
SMALL = 3000
UNLIMITED = [("grpc.max_receive_message_length", -1)]


@pytest.fixture(params=["node", "Envoy"])
def stub(cluster: RunningCluster, request: pytest.FixtureRequest) -> Iterator[kv_pb2_grpc.KVServiceStub]:
    """With the limits that gRPC's clients have if nobody sets any."""
    address = cluster.envoy_address if request.param == "Envoy" else cluster.nodes[0].address
    with grpc.insecure_channel(address) as channel:
        yield kv_pb2_grpc.KVServiceStub(channel)


def small_then_large(prefix: str) -> list[kv_pb2.BatchWrite]:
    """Small values, and one behind them that leaves no room for these in a message."""
    small = [kv_pb2.BatchWrite(key=f"{prefix}/{n:03}", value="v" * SMALL) for n in range(100)]
    return [*small, kv_pb2.BatchWrite(key=f"{prefix}/large", blob=b"v" * LARGEST)]


def store(stub: kv_pb2_grpc.KVServiceStub, writes: list[kv_pb2.BatchWrite]) -> list[str]:
    answer = stub.BatchSet(kv_pb2.BatchSetRequest(writes=writes), timeout=30)
    assert not any(result.HasField("error") for result in answer.results)
    return [write.key for write in writes]


def test_a_scan_puts_a_large_value_into_a_message_of_its_own(stub: kv_pb2_grpc.KVServiceStub) -> None:
    prefix = new_key("pages")
    keys = store(stub, small_then_large(prefix))
    pages = list(stub.Scan(kv_pb2.ScanRequest(prefix=prefix, page_size=1000), timeout=30))
    assert [entry.key for page in pages for entry in page.entries] == keys
    assert max(page.ByteSize() for page in pages) <= GRPC_DEFAULT


def test_a_watch_puts_a_large_value_into_a_message_of_its_own(stub: kv_pb2_grpc.KVServiceStub) -> None:
    prefix = new_key("pages")
    call = stub.Watch(kv_pb2.WatchRequest(prefix=prefix), timeout=60)
    try:
        next(call)
        keys = set(store(stub, small_then_large(prefix)))
        seen: set[str] = set()
        while seen < keys:
            seen |= {event.key for event in next(call).events}
    finally:
        call.cancel()
    assert seen == keys


def test_a_list_of_keys_that_no_default_client_could_take_is_refused_by_the_node(
    cluster: RunningCluster,
) -> None:
    prefix, address = new_key("pages"), cluster.nodes[0].address
    with grpc.insecure_channel(address) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        for n in range(1000):
            stub.SetDirect(kv_pb2.SetDirectRequest(key=f"{prefix}/{n:04}", value="v" * 4190), timeout=20)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListKeys(kv_pb2.ListKeysRequest(after=prefix, page_size=1000), timeout=20)
        assert "ask for fewer keys at once" in caught.value.details()
        page = stub.ListKeys(kv_pb2.ListKeysRequest(after=prefix, page_size=900), timeout=20)
        assert [entry.key for entry in page.keys] == [f"{prefix}/{n:04}" for n in range(900)]


def test_one_key_is_listed_and_read_however_large_its_value(cluster: RunningCluster, urls: list[str]) -> None:
    key, address = new_key_of(urls[1], urls), cluster.nodes[0].address
    with grpc.insecure_channel(address, UNLIMITED) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        stub.Set(kv_pb2.SetRequest(key=key, blob=b"v" * GRPC_DEFAULT), timeout=20)
        got = stub.BatchGet(kv_pb2.BatchGetRequest(keys=[key]), timeout=20)
        assert [len(result.blob) for result in got.results] == [GRPC_DEFAULT]
        stub.SetDirect(kv_pb2.SetDirectRequest(key=key, blob=b"v" * GRPC_DEFAULT), timeout=20)
        page = stub.ListKeys(kv_pb2.ListKeysRequest(after=key[:-1], page_size=1), timeout=20)
        assert [(entry.key, entry.size) for entry in page.keys] == [(key, GRPC_DEFAULT)]
