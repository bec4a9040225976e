"""What Envoy does when nodes fail, and what it says.

Tests limedb/launch/local_replies.py.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import grpc
import httpx
import pytest

from limedb.errors import UnavailableError
from limedb.launch import envoy
from limedb.launch.addresses import Address
from limedb.launch.envoy import EnvoyOptions
from limedb.operator.calls import node_client
from limedb.wire import descriptors
from limedb.wire.status import remote_error
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.envoy.gateway import Gateway, running_envoy, running_gateway, wait_until, warnings_in
from tests.envoy.standin import stand_in
from tests.support.delaying import delaying_proxy
from tests.support.ports import free_ports

T = TypeVar("T")
WRITES = [
    ("Set", "POST", "/api/v1/set", {"key": "k", "value": "v"}),
    ("SetDirect", "POST", "/api/v1/set/direct", {"key": "k", "value": "v"}),
    ("Delete", "DELETE", "/api/v1/del/k", None),
    ("BatchSet", "POST", "/api/v1/batch/set", {"writes": [{"key": "k", "value": "v"}]}),
    ("Exchange", "POST", "/gossip", {"type": "GOSSIP_SYN"}),
    ("Decommission", "POST", "/api/v1/admin/decommission", {"url": "http://node1:1"}),
    ("Remove", "POST", "/api/v1/admin/remove", {"url": "http://node1:1"}),
    ("Cancel", "POST", "/api/v1/admin/cancel", {}),
]
READS = [
    ("ListKeys", "GET", "/api/v1/keys", None),
    ("BatchGet", "POST", "/api/v1/batch/get", {"keys": ["k"]}),
    ("GetState", "GET", "/api/v1/cluster/state", None),
    ("GetHealth", "GET", "/api/v1/health", None),
    ("LocateKey", "GET", "/api/v1/replicas/k", None),
    ("GetStatus", "GET", "/api/v1/admin/status", None),
    ("GetAsset", "GET", "/dashboard/nodes", None),
    ("PlanJoin", "GET", "/api/v1/admin/join-plan?url=http://node9:1", None),
]
OBEDIENCE = {
    "x-envoy-retry-on": "5xx,reset",
    "x-envoy-retry-grpc-on": "unavailable",
    "x-envoy-max-retries": "3",
}


def fail_once(gateway: Gateway, method: str) -> None:
    """Let the next call of a method fail, whichever node gets it."""
    for node in gateway.nodes:
        node.failures[method] = 1


@pytest.mark.parametrize(("method", "verb", "path", "body"), READS, ids=lambda value: str(value))
def test_a_read_that_fails_is_tried_again(
    gateway: Gateway, method: str, verb: str, path: str, body: dict[str, object] | None
) -> None:
    fail_once(gateway, method)
    assert gateway.client.request(verb, path, json=body).status_code == 200
    assert gateway.calls(method) > 1


@pytest.mark.parametrize("headers", [{}, OBEDIENCE], ids=["plain", "with retry headers"])
@pytest.mark.parametrize(("method", "verb", "path", "body"), WRITES, ids=lambda value: str(value))
def test_a_write_is_seen_once(
    gateway: Gateway,
    method: str,
    verb: str,
    path: str,
    body: dict[str, object] | None,
    headers: dict[str, str],
) -> None:
    fail_once(gateway, method)
    answer = gateway.client.request(verb, path, json=body, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (503, "told to fail")
    assert gateway.calls(method) == 1


@pytest.mark.parametrize("size", [1000, 3 << 20])
def test_reads_of_rest_and_of_connect_are_tried_again_whatever_their_size(
    gateway: Gateway, size: int
) -> None:
    asked = kv_pb2.BatchGetRequest(keys=["k" * 1000] * (size // 1000))
    fail_once(gateway, "BatchGet")
    assert gateway.client.post("/api/v1/batch/get", json={"keys": list(asked.keys)}).status_code == 200
    fail_once(gateway, "BatchGet")
    call = "/limedb.v1.KVService/BatchGet"
    headers = {"content-type": "application/proto"}
    answer = gateway.client.post(call, content=asked.SerializeToString(), headers=headers)
    assert answer.status_code == 200, answer.text
    fail_once(gateway, "BatchGet")
    pin = headers | {"x-limedb-node": gateway.nodes[0].url}
    assert gateway.client.post(call, content=asked.SerializeToString(), headers=pin).status_code == 503
    fail_once(gateway, "Set")
    body = kv_pb2.SetRequest(key="k", value="v").SerializeToString()
    assert gateway.client.post("/limedb.v1.KVService/Set", content=body, headers=headers).status_code == 503


def test_reads_of_grpc_are_tried_again_up_to_64_kib(gateway: Gateway) -> None:
    """Beyond that, the client gets the node's own answer: Envoy holds no more of a stream."""
    with grpc.insecure_channel(gateway.address) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        fail_once(gateway, "BatchGet")
        stub.BatchGet(kv_pb2.BatchGetRequest(keys=["k" * 1000] * 60), timeout=10)
        assert gateway.calls("BatchGet") > 1
        fail_once(gateway, "BatchGet")
        before = gateway.calls("BatchGet")
        with pytest.raises(grpc.RpcError) as caught:
            stub.BatchGet(kv_pb2.BatchGetRequest(keys=["k" * 1000] * 200), timeout=10)
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, "told to fail")
        assert gateway.calls("BatchGet") == before + 1


def test_a_pinned_read_is_not_tried_again(gateway: Gateway) -> None:
    fail_once(gateway, "Get")
    answer = gateway.client.get("/api/v1/get/k", params={"node": gateway.nodes[0].url})
    assert answer.status_code == 503
    assert gateway.calls("Get") == 1


def test_a_node_that_does_not_serve_gets_no_traffic(gateway: Gateway) -> None:
    first, second = gateway.nodes
    first.set_serving(False)
    wait_until(lambda: not gateway.is_reached(first), "Envoy to see it", gateway.log)
    first.calls.clear()
    for _ in range(20):
        assert gateway.client.get("/api/v1/keys").status_code == 200
    assert (len(first.calls), len(second.asked("ListKeys"))) == (0, 20)
    first.set_serving(True)
    wait_until(lambda: gateway.is_reached(first), "Envoy to see it again", gateway.log)


def test_a_node_that_answers_unavailable_stays_in(gateway: Gateway) -> None:
    """It may speak of another node, the owner of a key."""
    node = gateway.nodes[0]
    node.failures["Get"] = 30
    for _ in range(30):
        assert gateway.client.get("/api/v1/get/k", params={"node": node.url}).status_code == 503
    assert gateway.client.get("/api/v1/health", params={"node": node.url}).status_code == 200


def nothing_was_written(gateway: Gateway) -> bool:
    """Whether a Set over gRPC fails, and its error proves that it wrote nothing."""
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as failed:
        kv_pb2_grpc.KVServiceStub(channel).Set(kv_pb2.SetRequest(key="k", value="v"))
    error = remote_error("http://envoy:1", failed.value)
    return error is not None and error.nothing_written


@pytest.mark.process
def test_a_write_that_finds_a_node_gone_goes_to_another(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_gateway(tmp_path_factory.mktemp("gone")) as gateway:
        gateway.stop(gateway.nodes[0])
        for n in range(20):  # before a health check can have seen it, as after
            answer = gateway.client.post("/api/v1/set", json={"key": f"k{n}", "value": "v"})
            assert (answer.status_code, answer.text) == (200, "OK")


@contextmanager
def losing_gateway(tmp_path: Path) -> Iterator[tuple[Gateway, ExitStack]]:
    """An Envoy with one node that holds each Set, and the way between them: closed, the answer is lost."""
    with ExitStack() as stack:
        port, near, far = stack.enter_context(free_ports(3))
        node = stack.enter_context(stand_in(near, {}))
        way = ExitStack()
        stack.enter_context(way)
        url = f"http://{way.enter_context(delaying_proxy(far, node.address, 0.0))}"
        listen, descriptor = Address("127.0.0.1", port), str(descriptors.path())
        config = envoy.render(EnvoyOptions((envoy.parse_node(url),), listen, descriptor))
        log = stack.enter_context(running_envoy(tmp_path, config))
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
        gateway = Gateway(f"127.0.0.1:{port}", (replace(node, url=url),), client, log, (way,))
        wait_until(lambda: gateway.is_reached(gateway.nodes[0]), "Envoy to reach the node", log)
        node.held.add("Set")
        yield gateway, way


def lost(gateway: Gateway, way: ExitStack, write: Callable[[], T]) -> T:
    """The outcome of a write whose answer is lost."""
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        wait_until(lambda: len(gateway.nodes[0].asked("Set")) > 0, "the write to come", gateway.log)
        way.close()
        return writing.result(timeout=30)


@pytest.mark.process
def test_a_write_whose_node_is_lost_says_that_nobody_knows(tmp_path: Path) -> None:
    with losing_gateway(tmp_path) as (gateway, way):
        asked = {"key": "k", "value": "v"}
        answer = lost(gateway, way, lambda: gateway.client.post("/api/v1/set", json=asked))
        assert (answer.status_code, answer.json()["code"], answer.json()["details"]) == (503, 14, [])
        words = "its answer was lost: its writes may or may not have been carried out: "
        assert words in answer.json()["message"]
        assert len(gateway.nodes[0].asked("Set")) == 1


@pytest.mark.process
def test_a_dead_node_costs_no_read_and_comes_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_gateway(tmp_path_factory.mktemp("dead"), count=1) as gateway:
        (node,) = gateway.nodes
        port = int(node.address.rpartition(":")[2])
        gateway.stop(node)
        answer = gateway.client.get("/api/v1/keys")
        assert (answer.status_code, answer.json()["code"]) == (503, 14)
        answer = gateway.client.post("/api/v1/set", json={"key": "k", "value": "v"})
        assert (answer.status_code, answer.json()["code"]) == (503, 14)
        assert answer.json()["message"].startswith("Envoy reached no node, nothing was written: ")
        assert [detail["reason"] for detail in answer.json()["details"]] == ["UNAVAILABLE"]
        assert nothing_was_written(gateway)
        with stand_in(port, {}) as again:
            wait_until(lambda: gateway.is_reached(again), "Envoy to find it", gateway.log)


def test_envoy_warned_of_nothing(gateway: Gateway) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        gateway.client.get("/nope").raise_for_status()
    assert warnings_in(gateway.log.read_text()) == []


@pytest.mark.process
def test_the_command_line_keeps_the_cause_of_an_answer_that_was_lost(tmp_path: Path) -> None:
    """Something answers: Envoy. And the write may have been carried out."""

    def write() -> UnavailableError:
        with node_client(gateway.address, 20) as node, pytest.raises(UnavailableError) as raised:
            node.set("k", "v")
        return raised.value

    with losing_gateway(tmp_path) as (gateway, way):
        error = lost(gateway, way, write)
    assert str(error).startswith(f"{gateway.address} answers, but no node behind it does: UNAVAILABLE: ")
    assert "may or may not have been carried out" in str(error)
    assert not error.nothing_written
