"""Writes that are sent again through real nodes, which die and come back meanwhile."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import grpc
import pytest

from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.members import SECONDS, is_settled
from tests.support.clusters import Node, running_cluster

T = TypeVar("T")


def new_idempotency_key() -> bytes:
    """The beginning and the rest of a UUID version 7."""
    return int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10)


def through(node: Node, work: Callable[[kv_pb2_grpc.KVServiceStub], T]) -> T:
    """Ask a node."""
    with grpc.insecure_channel(node.address) as channel:
        return work(kv_pb2_grpc.KVServiceStub(channel))


def set_(key: bytes, attempt: int, value: str = "mine") -> Callable[[kv_pb2_grpc.KVServiceStub], int]:
    """A write of the test's key; its version."""
    request = kv_pb2.SetRequest(key="k", value=value, idempotency_key=key, attempt=attempt)
    return lambda stub: stub.Set(request, timeout=10, wait_for_ready=True).receipt.version


def get(stub: kv_pb2_grpc.KVServiceStub) -> str:
    """What the test's key holds."""
    value: str = stub.Get(kv_pb2.GetRequest(key="k"), timeout=10, wait_for_ready=True).value
    return value


def test_a_write_is_sent_again_through_other_nodes_and_after_restarts(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, envoy=False) as running:
        one, two, three = running.nodes
        key = new_idempotency_key()
        version = through(one, set_(key, 0))
        assert through(two, set_(key, 1)) == version
        through(three, set_(new_idempotency_key(), 0, "another's"))
        running.kill(one.name)
        assert through(two, set_(key, 2)) == version
        assert through(three, get) == "another's"
        never_sent = new_idempotency_key()
        running.restart(one.name)
        for node in (two, three):  # who remembers is on disk: each has died since
            running.kill(node.name)
            running.restart(node.name)
        assert through(one, set_(key, 3)) == version
        assert through(two, get) == "another's"
        assert through(one, set_(never_sent, 1, "at last")) > version
        assert through(two, get) == "at last"


def test_one_node_alone_remembers_after_a_kill(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=1, envoy=False) as running:
        (node,) = running.nodes
        key = new_idempotency_key()
        version = through(node, set_(key, 0))
        through(node, set_(new_idempotency_key(), 0, "another's"))
        running.kill(node.name)
        running.restart(node.name)
        assert through(node, set_(key, 1)) == version
        assert through(node, get) == "another's"


@pytest.mark.parametrize("count", [1, 3])
def test_every_write_is_taken_while_a_node_joins_and_right_after(tmp_path: Path, count: int) -> None:
    """With an idempotency key and without: of one node, where the second is needed at once, and of three,
    where some keys have other owners then.
    """
    with running_cluster(tmp_path, nodes=count, envoy=False) as running:
        first = running.nodes[0]
        before = new_idempotency_key()
        version = through(first, set_(before, 0))
        new = running.add()
        with grpc.insecure_channel(first.address) as channel:
            stub, number, left = kv_pb2_grpc.KVServiceStub(channel), 0, 60
            while left:
                for key in new_idempotency_key(), b"":
                    request = kv_pb2.SetRequest(key=f"{number}", value="x", idempotency_key=key)
                    stub.Set(request, timeout=SECONDS)
                number += 1
                left -= left < 60 or is_settled(first, (*running.nodes, new))
        if count == 1:
            assert through(new, set_(before, 1)) == version
        assert through(new, set_(new_idempotency_key(), 0, "at once")) > version
