"""Owners that fetch from others which each lack what another has, on real processes."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import grpc

from limedb.core.ring import TOKENS, Ring, token_of
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.members import SECONDS, stored
from tests.support.clusters import Node, limedb, running_cluster

KEYS = 100
VALUE = "v" * (100 << 10)
CLOSE = TOKENS // 512  # tokens behind a node's point, all of which are fetched together
ENV = {"VIRTUAL_NODES": "1", "REPAIR_INTERVAL": "1h"}  # nothing makes the old owners equal before


def test_those_who_stay_get_what_the_other_alone_has_though_it_is_too_large_for_one_answer(
    tmp_path: Path,
) -> None:
    """Where fewer owners are left, each fetches from the others, and is never without an own copy: it has to
    get by comparing what a new owner could also get by reading each of the old ones in full.
    """
    with running_cluster(tmp_path, nodes=3, env=ENV, envoy=False) as running:
        first, second, leaving = running.nodes
        keys = close_keys([node.url for node in running.nodes], 2 * KEYS)
        store(first, keys[:KEYS])
        store(second, keys[KEYS:])
        done = limedb("admin", "decommission", leaving.url, "--target", first.address)
        assert done.returncode == 0, done
        assert [stored(first), stored(second)] == [2 * KEYS, 2 * KEYS]


def close_keys(urls: Sequence[str], count: int) -> list[str]:
    """Keys whose tokens are close together, with no node's point between them."""
    points = Ring(urls, int(ENV["VIRTUAL_NODES"])).points
    gaps = [(after - point) % TOKENS for point, after in zip(points, [*points[1:], points[0]], strict=True)]
    point = points[gaps.index(max(gaps))]
    names = (f"key-{number}" for number in itertools.count())
    return list(itertools.islice((k for k in names if (token_of(k) - point - 1) % TOKENS < CLOSE), count))


def store(node: Node, keys: Sequence[str]) -> None:
    """Write keys to a node's own replica only."""
    with grpc.insecure_channel(node.address) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        for key in keys:
            stub.SetDirect(kv_pb2.SetDirectRequest(key=key, value=VALUE), timeout=SECONDS)
