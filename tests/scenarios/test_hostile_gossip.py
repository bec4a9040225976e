"""Gossip from anybody, through a real Envoy, on real nodes: nothing of it lasts, and others are served."""

import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import pytest

from limedb.operator.admin import admin_client
from tests.support.clusters import FOR_NODES, RunningCluster, running_cluster
from tests.support.waiting import wait_for

DAY_MS = 24 * 3600 * 1000
MOST = (1 << 64) - 1


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    with running_cluster(tmp_path_factory.mktemp("attacked"), access=FOR_NODES) as running:
        yield running


@pytest.fixture
def rest(attacked: RunningCluster) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=attacked.envoy_url, timeout=20) as client:
        yield client


def states(attacked: RunningCluster, **lies: Any) -> dict[str, Any]:
    """An ACK2 that says this of each node."""
    told = [
        {
            "nodeUrl": node.url,
            "generation": str(time.time_ns() // 1_000_000 + DAY_MS // 2),
            "heartbeat": 4_000_000_000,
        }
        | lies
        for node in attacked.nodes
    ]
    return {"type": "GOSSIP_ACK2", "payload": {"digestsUpdate": told}}


def names(urls: list[str]) -> dict[str, Any]:
    """A SYN that names nodes."""
    digests = [{"nodeUrl": url, "generation": "1", "heartbeat": 1} for url in urls]
    return {"type": "GOSSIP_SYN", "payload": {"digests": digests}}


def tell_all(rest: httpx.Client, attacked: RunningCluster, message: dict[str, Any]) -> set[int]:
    """Send a message to each node; the codes of their answers."""
    return {rest.post("/gossip", params={"node": n.url}, json=message).status_code for n in attacked.nodes}


@cache
def epoch_before(address: str) -> int:
    """The epoch that a node knew when this was called first: before it was told anything."""
    with admin_client(address, 20) as admin:
        return admin.status().epoch


def works(rest: httpx.Client, attacked: RunningCluster) -> bool:
    """Whether each node takes all others for active, at their own addresses, and writes at ALL succeed."""
    urls = sorted(node.url for node in attacked.nodes)
    for node in attacked.nodes:
        at = {"node": node.url}
        gossip = rest.get("/api/v1/cluster/gossip", params=at).json()
        if gossip["cluster_health"] != "healthy" or gossip["total_peers"] != len(urls) - 1:
            return False
        state = rest.get("/api/v1/cluster/state", params=at).json()
        members = {m["url"]: m["address"] for m in state["members"]}
        if int(state["epoch"]) != epoch_before(attacked.nodes[0].address) or members != {
            n.url: n.address for n in attacked.nodes
        }:
            return False
        body = {"key": f"k{node.name}", "value": "v", "consistency": "CONSISTENCY_ALL"}
        if not rest.post("/api/v1/set", params=at, json=body).is_success:
            return False
    return True


LIES = {
    "a generation without end": {"generation": str(MOST)},
    "a generation of tomorrow": {},
    "another node": {"nodeId": "00000000-0000-4000-8000-000000000000", "clusterId": "1"},
    "a fresh node": {"nodeId": "00000000-0000-4000-8000-000000000000", "replicationFactor": 3},
    "an epoch without end": {"epoch": str(MOST)},
    "another address": {"address": "127.0.0.1:1"},
    "a unix socket": {"address": "unix:/tmp/x"},
    "a cloud's metadata": {"address": "169.254.169.254:80"},
    "that it has left": {"hasLeft": True},
    "an empty name": {"nodeUrl": ""},
    "a zone with escapes": {"zone": "\x1b[31m"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_the_members_lasts_no_longer_than_it_is_told(
    rest: httpx.Client, attacked: RunningCluster, lie: str
) -> None:
    wait_for("all is well", lambda: works(rest, attacked))
    assert tell_all(rest, attacked, states(attacked, **LIES[lie])) == {200}
    wait_for("all is well", lambda: works(rest, attacked))


def test_made_up_names_are_not_kept_and_others_are_served(
    rest: httpx.Client, attacked: RunningCluster
) -> None:
    wait_for("all is well", lambda: works(rest, attacked))
    odd = ["not a url", "http://../x", "://x", "", "http://" + "n" * 300 + ":1", "http://169.254.169.254:80"]
    made_up = [f"http://127.0.0.1:{9_000 + i % 900}/"[:-1] for i in range(900)]
    assert tell_all(rest, attacked, names([*odd, *made_up])) == {200}
    for node in attacked.nodes:
        peers = rest.get("/api/v1/cluster/gossip", params={"node": node.url}).json()["peer_details"]
        assert {peer["url"] for peer in peers} <= {other.url for other in attacked.nodes}
    wait_for("all is well", lambda: works(rest, attacked))


def test_50_000_names_in_one_message_are_refused_at_once(
    rest: httpx.Client, attacked: RunningCluster
) -> None:
    wait_for("all is well", lambda: works(rest, attacked))
    many = names([f"http://10.1.{i // 256}.{i % 256}:8484" for i in range(50_000)])
    assert tell_all(rest, attacked, many) == {400}
    assert works(rest, attacked)
