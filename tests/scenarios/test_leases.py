"""Leases through Envoy and by gRPC, and while nodes die and stand still.

Tests limedb/rpc/server/lease.py.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import grpc
import httpx
import pytest

from limedbpb.v1 import kv_pb2, kv_pb2_grpc, lease_pb2, lease_pb2_grpc
from tests.scenarios.test_rest import refused
from tests.support.clusters import QUICK, RunningCluster, running_cluster
from tests.support.keys import new_key
from tests.support.waiting import wait_for


def post(rest: httpx.Client, path: str, **fields: Any) -> Any:
    answer = rest.post(f"/api/v1/{path}", json=fields)
    answer.raise_for_status()
    return answer.json()


def test_rest_keeps_a_key_as_long_as_its_lease(rest: httpx.Client) -> None:
    key = new_key()
    granted = post(rest, "lease/grant", ttlMs=60_000)
    lease = granted["id"]
    assert granted["ttlMs"] == "60000"
    post_set = rest.post("/api/v1/set", json={"key": key, "value": "here", "lease": lease})
    assert (post_set.status_code, post_set.text) == (200, "OK")
    assert int(rest.get(f"/api/v1/get/{key}").json()["expiresAtMs"]) > 0
    shown = rest.get(f"/api/v1/lease/ttl?id={lease}").json()
    assert (shown["keys"], shown["grantedTtlMs"]) == ([key], "60000")
    assert 0 < int(shown["ttlMs"]) <= 60_000
    assert int(post(rest, "lease/renew", id=lease)["ttlMs"]) > 59_000
    assert post(rest, "lease/revoke", id=lease) == {"deleted": 1}
    assert rest.get(f"/api/v1/get/{key}").status_code == 404
    for gone in (
        rest.post("/api/v1/lease/renew", json={"id": lease}),
        rest.post("/api/v1/lease/revoke", json={"id": lease}),
        rest.get(f"/api/v1/lease/ttl?id={lease}"),
        rest.post("/api/v1/set", json={"key": key, "value": "x", "lease": lease}),
    ):
        assert f"lease {lease} has ended" in refused(gone, 404, 5)
        assert gone.json()["details"][0]["reason"] == "LEASE_NOT_FOUND"


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("lease/grant", "{}", "a lease lives for 1000 to 86400000 ms"),
        ("lease/grant", '{"ttlMs":999}', "a lease lives for 1000 to 86400000 ms"),
        ("lease/grant", '{"ttl":9999}', "unknown field ttl"),
        ("lease/renew", '{"id":0}', "must be the id of a lease"),
        ("lease/revoke", '{"id":"9223372036854775808"}', "must be the id of a lease"),
        ("set", '{"key":"k","value":"v","lease":5,"ttlMs":5}', "it lives as long as the lease"),
        ("set", '{"key":"k","value":"v","lease":-5}', "must be a whole number"),
        ("set", '{"key":"{a}k","value":"v","lease":5}', "has a tag"),
        (
            "batch/set",
            '{"writes":[{"key":"k","delete":true,"lease":5}]}',
            "only a value that is set can have one",
        ),
    ],
)
def test_rest_refuses_no_lease(rest: httpx.Client, path: str, body: str, words: str) -> None:
    assert words in refused(rest.post(f"/api/v1/{path}", content=body), 400, 3)


class Stream:
    """Renewals of leases in one call. renew: the milliseconds that one lives then; 0: it has ended."""

    def __init__(self, stub: lease_pb2_grpc.LeaseServiceStub) -> None:
        self._requests: Queue[lease_pb2.KeepAliveRequest | None] = Queue()
        self._answers = stub.KeepAlive(self._asked())

    def _asked(self) -> Iterator[lease_pb2.KeepAliveRequest]:
        while (request := self._requests.get()) is not None:
            yield request

    def renew(self, lease: int) -> int:
        self._requests.put(lease_pb2.KeepAliveRequest(id=lease))
        answer = next(self._answers)
        assert answer.id == lease
        return int(answer.ttl_ms)

    def close(self) -> None:
        self._requests.put(None)
        assert next(self._answers, None) is None


@pytest.mark.parametrize("door", ["node", "envoy"])
def test_a_stream_keeps_leases_alive_and_reports_the_end_of_one(
    replicated: RunningCluster, door: str
) -> None:
    address = replicated.nodes[0].address if door == "node" else replicated.envoy_address
    with grpc.insecure_channel(address) as channel:
        stub = lease_pb2_grpc.LeaseServiceStub(channel)
        one, other = (stub.GrantLease(lease_pb2.GrantLeaseRequest(ttl_ms=30_000)).id for _ in range(2))
        stream = Stream(stub)
        assert stream.renew(one) > 29_000
        assert stub.RevokeLease(lease_pb2.RevokeLeaseRequest(id=one)).deleted == 0
        assert (stream.renew(one), stream.renew(other) > 29_000) == (0, True)
        stream.close()


TTL_SECONDS = 10.0


def test_a_lease_survives_nodes_and_its_keys_end_with_it_alone(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, env=QUICK, envoy=False) as cluster:
        began = time.monotonic()
        with grpc.insecure_channel(cluster.nodes[0].address) as channel:
            asked = lease_pb2.GrantLeaseRequest(ttl_ms=int(1000 * TTL_SECONDS))
            granted = lease_pb2_grpc.LeaseServiceStub(channel).GrantLease(asked)
            attached = kv_pb2.SetRequest(key="service", value="here", lease=granted.id)
            kv_pb2_grpc.KVServiceStub(channel).Set(attached)
        with grpc.insecure_channel(cluster.nodes[1].address) as channel:
            one = Renewing(channel, granted.id, began)
            cluster.kill("node1")
            for _ in range(12):
                one.renew()
            cluster.restart("node1")
            cluster.pause("node3")
            for _ in range(6):
                one.renew()
            cluster.resume("node3")
            assert one.renewals > 6
            wait_for("the end of the key", lambda: _value(one.keys) is None, 60.0)
            with pytest.raises(grpc.RpcError) as ended:
                one.leases.RenewLease(lease_pb2.RenewLeaseRequest(id=granted.id), timeout=5)
            assert ended.value.code() is grpc.StatusCode.NOT_FOUND


class Renewing:
    """Renews a lease, and looks for the key that is attached to it. began: when the last renewal that was
    acknowledged was asked for; renewals: how many there were.
    """

    def __init__(self, channel: grpc.Channel, lease: int, began: float) -> None:
        self.leases, self.keys = lease_pb2_grpc.LeaseServiceStub(channel), kv_pb2_grpc.KVServiceStub(channel)
        self._lease, self._began, self.renewals = lease, began, 0

    def renew(self) -> None:
        """Renew it, and see that the key is there; a machine that stands still for long excuses neither."""
        began = time.monotonic()
        try:
            self.leases.RenewLease(lease_pb2.RenewLeaseRequest(id=self._lease), timeout=3)
        except grpc.RpcError as error:
            is_over = (
                error.code() is grpc.StatusCode.NOT_FOUND and time.monotonic() - self._began > TTL_SECONDS
            )
            if not is_over and error.code() not in (
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.DEADLINE_EXCEEDED,
            ):
                raise
        else:
            self._began, self.renewals = began, self.renewals + 1
        found = _value(self.keys)
        assert found == "here" or time.monotonic() - self._began > TTL_SECONDS
        time.sleep(0.3)  # between two renewals


def _value(keys: kv_pb2_grpc.KVServiceStub) -> str | None:
    request = kv_pb2.GetRequest(key="service", consistency="CONSISTENCY_LINEARIZABLE")
    try:
        return str(keys.Get(request, timeout=5).value)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return None
        raise
