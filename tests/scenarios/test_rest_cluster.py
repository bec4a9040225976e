"""The REST paths about the cluster, and paths that there aren't, through a real Envoy.

Tests limedb/rpc/server/cluster.py.
"""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.support.keys import new_key
from tests.support.rest import get_path, refused
from tests.support.waiting import wait_for


class TestCluster:
    def test_state(self, rest: httpx.Client, urls: list[str]) -> None:
        state = rest.get("/api/v1/cluster/state", params={"node": urls[0]}).json()
        assert {"nodeUrl", "peers", "totalNodes", "status"} <= set(state)
        assert state["nodeUrl"] == urls[0]
        assert state["peers"] == urls
        assert (state["totalNodes"], state["status"]) == (4, "active")

    def test_ring(self, rest: httpx.Client, urls: list[str]) -> None:
        ring = rest.get("/api/v1/cluster/ring", params={"node": urls[1]}).json()
        assert set(ring) == {
            "totalNodes", "virtualNodes", "virtualNodesPerNode", "virtualNodeDistribution", "currentNode",
            "allNodes", "ranges", "rangesDegrees",
        }  # fmt: skip
        assert (ring["totalNodes"], ring["virtualNodes"], ring["virtualNodesPerNode"]) == (4, 1024, 256)
        assert (ring["currentNode"], ring["allNodes"]) == (urls[1], urls)
        assert ring["virtualNodeDistribution"] == dict.fromkeys(urls, 256)
        for url in urls:
            assert len(ring["ranges"][url]) == len(ring["rangesDegrees"][url]) == 256
        assert set(ring["ranges"][urls[0]][0]) == {"start", "end", "hash", "size"}
        arc = ring["rangesDegrees"][urls[0]][0]
        assert set(arc) == {
            "startHash", "endHash", "hash", "startDegrees", "endDegrees", "sizeDegrees", "sizeHash",
        }  # fmt: skip
        assert 0 <= arc["startDegrees"] <= 360
        total = sum(r["size"] for ranges in ring["ranges"].values() for r in ranges)
        assert total == pytest.approx(1 << 64)

    def test_gossip(self, rest: httpx.Client, urls: list[str]) -> None:
        def told() -> dict[str, Any] | None:
            answer = rest.get("/api/v1/cluster/gossip", params={"node": urls[0]}).json()
            return answer if answer["cluster_health"] == "healthy" else None

        gossip = wait_for("all are well", told)
        assert gossip
        assert set(gossip) == {
            "node_url", "generation", "node_heartbeat", "cluster_health", "total_peers", "active_peers",
            "stale_peers", "dead_peers", "convergence_rate", "average_lag", "max_lag", "peer_details",
            "timestamp",
        }  # fmt: skip
        assert (gossip["node_url"], gossip["total_peers"]) == (urls[0], 3)
        assert gossip["convergence_rate"] == 100
        assert [peer["url"] for peer in gossip["peer_details"]] == urls[1:]
        assert set(gossip["peer_details"][0]) == {"url", "generation", "heartbeat", "lag", "status"}
        assert {peer["status"] for peer in gossip["peer_details"]} == {"active"}

    def test_health(self, rest: httpx.Client, urls: list[str]) -> None:
        health = rest.get("/api/v1/health", params={"node": urls[0]}).json()
        assert set(health) == {
            "status", "service", "version", "nodeUrl", "timestamp", "uptime_seconds", "memory_allocated_mb",
            "cpu_percent", "total_requests", "requests_per_second", "gets_per_second", "sets_per_second",
            "dels_per_second", "average_latency_ms", "error_rate", "storage", "problem", "warnings",
        }  # fmt: skip
        assert (health["status"], health["service"], health["nodeUrl"]) == ("healthy", "limedb-node", urls[0])
        told = datetime.fromisoformat(health["timestamp"])
        assert abs((datetime.now(UTC) - told).total_seconds()) < 60
        assert health["storage"]["type"] == "lmdb"
        assert health["memory_allocated_mb"] > 10

    def test_health_counts_requests(self, rest: httpx.Client, urls: list[str]) -> None:
        at = {"node": urls[0]}
        before = int(rest.get("/api/v1/health", params=at).json()["total_requests"])
        for _ in range(5):
            rest.get(get_path(new_key()), params=at)
        after = rest.get("/api/v1/health", params=at).json()
        assert int(after["total_requests"]) >= before + 5
        assert after["gets_per_second"] > 0


class TestGossip:
    def test_a_syn_is_answered_by_updates_and_requests(self, rest: httpx.Client, urls: list[str]) -> None:
        syn = {"type": "GOSSIP_SYN", "payload": {"digests": [{"nodeUrl": urls[0], "heartbeat": 0}]}}
        ack = rest.post("/gossip", params={"node": urls[0]}, json=syn).json()
        assert set(ack) == {"digestsUpdate", "digestsRequest", "nowMs", "timeMs", "nodeUrl"}
        assert [state["nodeUrl"] for state in ack["digestsUpdate"]] == urls
        assert all(state["heartbeat"] > 0 for state in ack["digestsUpdate"])
        assert ack["digestsRequest"] == []

    @pytest.mark.parametrize(
        "message",
        [
            {},
            {"type": "GOSSIP_HELLO"},
            {"type": "GOSSIP_SYN", "payload": {"digests": [{"nodeUrl": "nonsense"}] * 3000}},
        ],
    )
    def test_what_is_no_gossip_is_400(self, rest: httpx.Client, message: dict[str, object]) -> None:
        refused(rest.post("/gossip", json=message), 400, 3)


class TestPaths:
    @pytest.mark.parametrize(
        "path", ["/nonsense", "/api/v1/nonsense", "/api/v2/get/x", "/api/v1/set/x", "/api/v1"]
    )
    def test_an_unknown_path_is_404_as_json(self, rest: httpx.Client, path: str) -> None:
        refused(rest.get(path), 404, 5)

    def test_a_wrong_method_is_an_error_as_json(self, rest: httpx.Client) -> None:
        answer = rest.put("/api/v1/set", json={})
        assert answer.status_code in (404, 405)
        assert set(answer.json()) == {"code", "message", "details"}

    @pytest.mark.parametrize("how", ["query", "header"])
    def test_a_request_is_pinned_to_a_node(self, rest: httpx.Client, urls: list[str], how: str) -> None:
        for url in urls:
            pin = {"params": {"node": url}} if how == "query" else {"headers": {"x-limedb-node": url}}
            assert {rest.get("/api/v1/health", **pin).json()["nodeUrl"] for _ in range(3)} == {url}

    def test_without_a_pin_all_nodes_take_their_share(self, rest: httpx.Client, urls: list[str]) -> None:
        assert {rest.get("/api/v1/health").json()["nodeUrl"] for _ in range(100)} == set(urls)

    def test_an_unknown_node_is_404_that_names_it(self, rest: httpx.Client) -> None:
        answer = rest.get("/api/v1/health", params={"node": "http://elsewhere:1"})
        assert "node" in refused(answer, 404, 5)
