"""Changes of a key by what it has: through Envoy, by gRPC, for users, and while nodes die and stand still."""

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

import limedb
from limedb.client.client import Client
from limedb.client.retrying_executor import new_key as new_idempotency_key
from limedb.errors import LimeDBError
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.test_rest import refused
from tests.support.clusters import QUICK, RunningCluster, running_cluster
from tests.support.keys import new_key

MOST = (1 << 63) - 1


def post(rest: httpx.Client, path: str, **fields: Any) -> Any:
    """The answer of a call, without its receipt."""
    answer = rest.post(f"/api/v1/{path}", json=fields)
    answer.raise_for_status()
    body = answer.json()
    assert int(body.pop("receipt")["version"]) > 1 << 40
    return body


def test_rest_changes_a_key_by_what_it_has(rest: httpx.Client) -> None:
    key = new_key()
    assert post(rest, "increment", key=key) == {"value": "1"}
    assert post(rest, "increment", key=key, by=-3) == {"value": "-2"}
    assert post(rest, "increment", key=key, by="-9223372036854775806") == {"value": f"-{MOST + 1}"}
    assert post(rest, "increment", key=new_key(), by=0, initial=-5, ttlMs=60000) == {"value": "-5"}
    assert post(rest, "get-and-set", key=key, value="ä", ttlMs=60000) == {"value": f"-{MOST + 1}"}
    assert post(rest, "append", key=key, value="b") == {"size": "3"}
    assert post(rest, "get-and-delete", key=key) == {"value": "äb"}
    assert post(rest, "get-and-delete", key=key) == {}
    blob = base64.b64encode(b"\xff").decode()
    assert post(rest, "append", key=key, blob=blob) == {"size": "1"}
    assert post(rest, "get-and-set", key=key, value="x") == {"blob": blob}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"key":"k","by":1.5}', f"by=1.5: must be a whole number from -{MOST + 1} to {MOST}"),
        ('{"key":"k","by":-}', "-"),
        ('{"key":"k","by":-05}', "-05"),
        (f'{{"key":"k","by":"{MOST + 1}"}}', "must be a whole number from"),
        (f'{{"key":"k","by":"-{MOST + 2}"}}', "must be a whole number from"),
        ('{"key":"k","by":"--5"}', "must be a whole number from"),
        ('{"key":"k","ttlMs":-1}', "must be a whole number from 0 to"),
        ('{"key":"k","n":1}', "unknown field n"),
    ],
)
def test_rest_refuses_what_is_no_number(rest: httpx.Client, body: str, words: str) -> None:
    answer = rest.post("/api/v1/increment", content=body)
    assert words in refused(answer, 400, 3)


def test_rest_says_what_can_not_be_changed_so(rest: httpx.Client) -> None:
    key = new_key()
    rest.post("/api/v1/set", json={"key": key, "value": "many"}).raise_for_status()
    answer = rest.post("/api/v1/increment", json={"key": key})
    assert "has no counter" in refused(answer, 400, 9)
    (info,) = (each for each in answer.json()["details"] if each.get("reason"))
    assert (info["reason"], info["metadata"]["why"]) == ("EDIT_REFUSED", "no_counter")
    assert rest.get(f"/api/v1/get/{key}").json()["value"] == "many"


def test_grpc_answers_an_attempt_that_is_sent_again_alike_at_any_node(replicated: RunningCluster) -> None:
    key = new_key()
    once, again = new_idempotency_key(), new_idempotency_key()
    swap = kv_pb2.GetAndSetRequest(key=key, value="x", idempotency_key=again)
    for attempt, node in enumerate(replicated.nodes):
        with grpc.insecure_channel(node.address) as channel:
            stub = kv_pb2_grpc.KVServiceStub(channel)
            add = kv_pb2.IncrementRequest(key=key, by=5, idempotency_key=once, attempt=attempt)
            assert stub.Increment(add).value == 5
            if attempt == 0:
                assert stub.Increment(kv_pb2.IncrementRequest(key=key)).value == 6
            swap.attempt = attempt
            assert stub.GetAndSet(swap).value == "6"


class Tally:
    """The increments of a client. sure: those acknowledged; unsure: those of which nobody knows."""

    def __init__(self) -> None:
        self.sure = self.unsure = 0

    async def run(self, db: Client, key: str, until: float) -> None:
        while time.monotonic() < until:
            try:
                await db.increment(key, timeout=8)
                self.sure += 1
            except LimeDBError as error:
                self.unsure += not error.nothing_written


async def test_acknowledged_increments_add_up_while_nodes_are_killed_and_stand_still(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, env=QUICK, envoy=False) as cluster:
        addresses = ",".join(node.address for node in cluster.nodes)
        tallies = [Tally() for _ in range(6)]
        async with limedb.connect(addresses, timeout=20) as db, limedb.connect(addresses) as other:
            until = time.monotonic() + 6
            clients = asyncio.gather(
                *(tally.run((db, other)[n % 2], "n", until) for n, tally in enumerate(tallies))
            )
            await asyncio.to_thread(_break_nodes, cluster)
            await clients
            total = int(str(await db.get("n", consistency="linearizable")))
        sure, unsure = (sum(getattr(tally, name) for tally in tallies) for name in ("sure", "unsure"))
        assert sure > 20
        assert sure <= total <= sure + unsure
        assert unsure < sure


def _break_nodes(cluster: RunningCluster) -> None:
    cluster.kill("node1")
    cluster.restart("node1")
    cluster.pause("node2")
    time.sleep(1.5)  # longer than clients wait for a sign of life
    cluster.resume("node2")
