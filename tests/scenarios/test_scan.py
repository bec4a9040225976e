"""Scans from outside: through nodes, Envoy and REST, of the cluster and of one node.

Tests limedb/rpc/server/key_streams.py.
"""

import json

import grpc
import httpx
import pytest

from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key


def scan(address: str, **request: object) -> list[kv_pb2.ScanResponse]:
    with grpc.insecure_channel(address) as channel:
        asked = kv_pb2.ScanRequest(**request)  # type: ignore[arg-type]
        return list(kv_pb2_grpc.KVServiceStub(channel).Scan(asked, timeout=30))


def keys_of(answers: list[kv_pb2.ScanResponse]) -> list[str]:
    return [entry.key for answer in answers for entry in answer.entries]


@pytest.fixture(scope="module")
def stored(cluster: RunningCluster) -> list[str]:
    """Keys with a prefix of their own, in order, spread over nodes that hold one replica each."""
    prefix = new_key("scan")
    keys = [f"{prefix}/{n:03}" for n in range(200)]
    writes = [kv_pb2.BatchWrite(key=key, value="v" * 20) for key in keys]
    with grpc.insecure_channel(cluster.nodes[0].address) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        answer = stub.BatchSet(kv_pb2.BatchSetRequest(writes=writes), timeout=30)
    assert not any(result.HasField("error") for result in answer.results)
    return keys


def test_pages_hold_as_much_as_was_asked_for_and_say_where_to_continue(
    cluster: RunningCluster, stored: list[str]
) -> None:
    prefix = stored[0][:-4]
    answers = scan(cluster.nodes[1].address, prefix=prefix, page_size=80)
    assert [len(answer.entries) for answer in answers] == [80, 80, 40]
    assert [a.after if a.HasField("after") else None for a in answers] == [stored[79], stored[159], None]
    assert keys_of(answers) == stored
    rest = scan(cluster.nodes[2].address, prefix=prefix, after=stored[79], limit=100)
    assert keys_of(rest) == stored[80:180]
    assert rest[-1].after == stored[179]
    (last,) = scan(cluster.nodes[2].address, prefix=prefix, after=stored[179], limit=20)
    assert (len(last.entries), last.HasField("after")) == (20, False)


def test_a_node_reports_what_it_holds_itself(cluster: RunningCluster, stored: list[str]) -> None:
    parts = [
        keys_of(scan(n.address, prefix=stored[0][:-4], local=True, keys_only=True)) for n in cluster.nodes
    ]
    assert all(0 < len(part) < len(stored) for part in parts)
    assert sorted(key for part in parts for key in part) == stored


def test_keys_alone_come_with_the_sizes_of_values_that_other_nodes_hold(
    cluster: RunningCluster, stored: list[str]
) -> None:
    (answer,) = scan(cluster.nodes[0].address, prefix=stored[0][:-4], page_size=200, keys_only=True)
    assert [entry.key for entry in answer.entries] == stored
    assert {(entry.size, entry.WhichOneof("content")) for entry in answer.entries} == {(20, None)}


def test_rest_streams_a_page_a_line(rest: httpx.Client, stored: list[str]) -> None:
    with rest.stream("GET", "/api/v1/scan", params={"prefix": stored[0][:-4], "pageSize": 150}) as answer:
        pages = [json.loads(line) for line in answer.iter_lines() if line]
    assert [entry["key"] for page in pages for entry in page["entries"]] == stored
    assert pages[0]["entries"][0]["value"] == "v" * 20


def test_large_values_make_small_pages(cluster: RunningCluster) -> None:
    prefix = new_key("large")
    with grpc.insecure_channel(cluster.nodes[0].address) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        for n in range(5):
            stub.Set(kv_pb2.SetRequest(key=f"{prefix}/{n}", value="v" * 150_000), timeout=30)
    answers = scan(cluster.nodes[3].address, prefix=prefix)
    assert [len(answer.entries) for answer in answers] == [2, 2, 1]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"page_size": 1001}, "pageSize"),
        ({"consistency": 4}, "linearizable"),
        ({"prefix": "k" * 5000}, "4096"),
    ],
)
def test_what_makes_no_sense_is_refused(
    cluster: RunningCluster, request_: dict[str, object], text: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        scan(cluster.nodes[0].address, **request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert text in caught.value.details()
