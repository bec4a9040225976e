"""Transactions through Envoy and by gRPC, and money that is moved while nodes die and stand still."""

import asyncio
import time
from pathlib import Path
from random import Random
from typing import Any

import grpc
import httpx
import pytest

import limedb
from limedb.client import Client, Entry
from limedb.client.retrying_executor import new_key as new_idempotency_key
from limedb.errors import LimeDBError
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.scenarios.test_rest import refused
from tests.support.clusters import QUICK, RunningCluster, running_cluster
from tests.support.keys import new_key
from tests.support.waiting import wait_for

ACCOUNTS = [f"{{bank}}{name}" for name in "abcd"]
WHOLE = 400


def group() -> str:
    """A tag that no other test has, in braces."""
    return f"{{{new_key()}}}"


def transact(rest: httpx.Client, **fields: Any) -> Any:
    answer = rest.post("/api/v1/txn", json=fields)
    answer.raise_for_status()
    return answer.json()


def test_rest_changes_keys_together(rest: httpx.Client) -> None:
    tag = group()
    one, other = f"{tag}1", f"{tag}2"
    first = transact(
        rest,
        compare=[{"key": one, "ifAbsent": True}],
        success=[{"set": {"key": one, "value": "ä"}}, {"increment": {"key": other, "by": -3}}],
    )
    version = first["receipt"]["version"]
    assert first["succeeded"] is True
    assert [step.get("value") for step in first["responses"]] == [None, "-3"]
    second = transact(
        rest,
        compare=[{"key": one, "condition": {"version": version}}, {"key": other, "ifValue": "never"}],
        success=[{"delete": one}],
        failure=[{"get": one}, {"get": f"{tag}none"}],
    )
    assert "receipt" not in second
    assert second["succeeded"] is False
    assert second["responses"] == [
        {"existed": True, "value": "ä", "version": version, "expiresAtMs": "0"},
        {"existed": False, "version": "0", "expiresAtMs": "0"},
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{}", "names no key"),
        ('{"success":[{}]}', "success[0] names no step"),
        ('{"success":[{"get":"{a}1","delete":"{a}2"}]}', "success[0]: get and delete in TxnStep"),
        ('{"failure":[{"set":{"key":"{a}1","valu":"x"}}]}', "failure[0].set: unknown field valu in TxnSet"),
        ('{"success":[{"set":{"key":"{a}1"}}]}', "no content for key '{a}1'"),
        ('{"success":[{"get":"{a}1"},{"set":{"key":"{a}1","value":"x","ttlMs":-5}}]}', "ttlMs"),
        ('{"success":[{"set":{"key":"a","value":"x"}}]}', "key 'a' has no tag"),
        ('{"success":[{"get":"{a}1"},{"get":"{b}1"}]}', "different tags"),
        ('{"compare":[{"key":"{a}1"}]}', "compare[0]: condition for key '{a}1' is empty"),
        ('{"compare":[{"key":"{a}1","condition":{"version":-1}}]}', "must be a whole number from 0 to"),
        ('{"success":[{"get":"\\u0000limedb/group/={a}"}]}', "LimeDB's own"),
        (
            '{"success":[{"increment":{"key":"{a}1","by":"9223372036854775808"}}]}',
            "must be a whole number from",
        ),
    ],
)
def test_rest_refuses_what_is_no_transaction(rest: httpx.Client, body: str, words: str) -> None:
    assert words in refused(rest.post("/api/v1/txn", content=body), 400, 3)


def test_grpc_answers_an_attempt_that_is_sent_again_alike_at_any_node(replicated: RunningCluster) -> None:
    tag, once = group(), new_idempotency_key()
    answers = []
    for attempt, node in enumerate(replicated.nodes):
        with grpc.insecure_channel(node.address) as channel:
            stub = kv_pb2_grpc.KVServiceStub(channel)
            steps = [
                kv_pb2.TxnStep(increment=kv_pb2.TxnIncrement(key=f"{tag}n", by=5)),
                kv_pb2.TxnStep(get=f"{tag}n"),
            ]
            request = kv_pb2.TxnRequest(success=steps, idempotency_key=once, attempt=attempt)
            answers.append(stub.Txn(request))
            if attempt == 0:
                other = kv_pb2.SetRequest(key=f"{tag}other", value="x")
                assert stub.Set(other).receipt.version > answers[0].receipt.version
    assert [answer.responses[0].value for answer in answers] == ["5"] * len(replicated.nodes)
    assert len({answer.receipt.version for answer in answers}) == 1


class Teller:
    """Moves money between accounts, and looks at all of them. rng: its choices."""

    def __init__(self, number: int) -> None:
        self.rng, self.moved, self.seen = Random(number), 0, 0

    async def run(self, db: Client, until: float) -> None:
        while time.monotonic() < until:
            one, other = self.rng.sample(ACCOUNTS, 2)
            try:
                await db.txn().increment(one, -1).increment(other, 1).commit(timeout=8)
                self.moved += 1
                assert await balance(db) == WHOLE
                self.seen += 1
            except LimeDBError:
                continue


async def balance(db: Client) -> int:
    """The sum of all accounts at one moment."""
    look = db.txn()
    for account in ACCOUNTS:
        look.get(account)
    found = (await look.commit(timeout=8)).results
    return sum(int(str(entry.value)) for entry in found if isinstance(entry, Entry))


async def test_no_money_is_lost_while_nodes_are_killed_and_stand_still(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=4, env=QUICK, envoy=False) as cluster:
        addresses = ",".join(node.address for node in cluster.nodes)
        tellers = [Teller(number) for number in range(6)]
        async with limedb.connect(addresses, timeout=20) as db, limedb.connect(addresses) as other:
            begin = db.txn()
            for account in ACCOUNTS:
                begin.set(account, str(WHOLE // len(ACCOUNTS)))
            await begin.commit()
            until = time.monotonic() + 8
            work = asyncio.gather(
                *(teller.run((db, other)[n % 2], until) for n, teller in enumerate(tellers))
            )
            await asyncio.to_thread(_break_nodes, cluster)
            await work
            assert await balance(db) == WHOLE
            await asyncio.to_thread(
                wait_for, "all that was decided is stored", lambda: _whole_at_quorum(addresses)
            )
        assert sum(teller.moved for teller in tellers) > 20
        assert sum(teller.seen for teller in tellers) > 20


def _whole_at_quorum(addresses: str) -> bool:
    with limedb.connect_sync(addresses) as db:
        return sum(map(int, db.get_many(ACCOUNTS, consistency="quorum").values())) == WHOLE


def _break_nodes(cluster: RunningCluster) -> None:
    for name in ("node1", "node3"):
        cluster.kill(name)
        cluster.restart(name)
    cluster.pause("node2")
    time.sleep(1.5)  # longer than clients wait for a sign of life
    cluster.resume("node2")
