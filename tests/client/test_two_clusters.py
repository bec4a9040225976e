"""Two clusters whose nodes have one name, as behind a tunnel: no call reaches the other one.

Of limedb/client/asked_cluster.py, limedb/rpc/server/asked_cluster.py, limedb/wire/cluster_header.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest

import limedb
from limedb.client import Client
from limedb.errors import InvalidRequestError, PartialFailureError, UnavailableError, WrongClusterError
from limedb.wire.cluster_header import HEADER
from limedb.wire.status import remote_error
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.client.test_docs import EXAMPLES
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key
from tests.support.ports import free_port, free_ports
from tests.support.serving import HIDDEN, running_node
from tests.support.tunnels import Tunnel, tunnel


class Twins(NamedTuple):
    """host:port of two clusters of one node each. Both nodes have one name, and say that they are reached at
    the second one's address.
    """

    first: str
    second: str


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    folder = tmp_path_factory.mktemp("twins")
    with free_ports(2) as (one, two):
        settings = {**HIDDEN, "ADVERTISE_ADDRESS": f"127.0.0.1:{two}"}
        with (
            running_node(folder / "first", one, settings) as first,
            running_node(folder / "second", two, settings) as second,
        ):
            yield Twins(first, second)


def consumer() -> Callable[[Client, str, str], Awaitable[list[str]]]:
    """The function of docs/client.md that follows a prefix whatever comes."""
    example = next(text for text in EXAMPLES if "async def follow(" in text)
    found: dict[str, Any] = {"__name__": "example"}
    exec(example[: example.index("async with")], found)
    follow: Callable[[Client, str, str], Awaitable[list[str]]] = found["follow"]
    return follow


@contextmanager
def leading_to(address: str) -> Iterator[Tunnel]:
    with free_port() as port, tunnel(port, address) as made:
        yield made


def alone(address: str) -> Client:
    """A client of the node at an address, and of no other."""
    return limedb.connect(address, follow_ring=False)


async def led_astray(call: Callable[[], Awaitable[object]]) -> None:
    """Call until the error names the reason, as it does once the client knows it; no call succeeds."""
    async with asyncio.timeout(60):
        while True:
            with pytest.raises(UnavailableError) as caught:
                await call()
            if "another cluster" in str(caught.value):
                return


def id_at(address: str) -> str:
    with grpc.insecure_channel(address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        return stub.GetState(cluster_pb2.GetStateRequest(), timeout=20).cluster_id


async def test_an_advertised_address_that_leads_to_another_cluster_gets_no_call(twins: Twins) -> None:
    key = new_key()
    async with limedb.connect(twins.first) as db:
        await db.set(key, "of the first")
        await db.set_many({f"{key}/{n}": "v" for n in range(50)})
        assert [entry.key async for entry in db.scan(key, limit=1)] == [key]
    async with alone(twins.first) as first, alone(twins.second) as second:
        assert await first.get(key) == "of the first"
        assert await second.get(key) is None
        assert [entry async for entry in second.scan(key)] == []


async def test_addresses_of_two_clusters_are_refused_unless_one_is_named(twins: Twins) -> None:
    first = id_at(twins.first)
    with pytest.raises(InvalidRequestError, match="two clusters"):
        await limedb.connect(",".join(twins), follow_ring=False).open()
    key = new_key()
    async with limedb.connect(",".join(twins), follow_ring=False, cluster_id=first) as db:
        await db.set_many({f"{key}/{n}": "v" for n in range(50)})
        assert len(await db.get_many(f"{key}/{n}" for n in range(50))) == 50
    async with alone(twins.second) as second:
        assert [entry async for entry in second.scan(key)] == []


async def test_only_the_cluster_that_was_named_is_opened(twins: Twins) -> None:
    with pytest.raises(WrongClusterError) as caught:
        await limedb.connect(twins.second, cluster_id=id_at(twins.first), timeout=60).open()
    assert (caught.value.asked, caught.value.cluster_id) == (id_at(twins.first), id_at(twins.second))
    with pytest.raises(InvalidRequestError, match="16 hex digits"):
        limedb.connect(twins.second, cluster_id="prod")


async def test_a_tunnel_that_leads_elsewhere_later_carries_no_call(twins: Twins) -> None:
    """The connection breaks and is back at once, in the other cluster."""
    with leading_to(twins.first) as way:
        async with limedb.connect(way.address, follow_ring=False, timeout=20, idempotent=True) as db:
            key = new_key()
            await db.set(key, "of the first")
            way.lead_to(twins.second)
            await led_astray(lambda: db.set(key, "astray", timeout=2))
            await led_astray(lambda: db.get(key, timeout=2))
            way.lead_to(twins.first)
            assert await db.get(key) == "of the first"
    async with alone(twins.second) as second:
        assert await second.get(key) is None


async def test_a_watch_is_resumed_in_its_own_cluster_only(twins: Twins) -> None:
    key = new_key()
    with leading_to(twins.first) as way:
        async with (
            limedb.connect(way.address, follow_ring=False, timeout=60) as db,
            alone(twins.first) as first,
            alone(twins.second) as second,
            db.watch(prefix=key) as watch,
        ):
            way.lead_to(twins.second)
            await second.set(f"{key}/astray", "v")
            await led_astray(lambda: db.get(key, timeout=2))
            way.lead_to(twins.first)
            await first.set(f"{key}/own", "v")
            assert (await watch.next(timeout=60)).key == f"{key}/own"


async def test_a_tunnel_that_leads_elsewhere_before_the_first_call_carries_none(twins: Twins) -> None:
    """The client has asked the node for its name, and opens its session only now: the node refuses that."""
    key = new_key()
    with leading_to(twins.first) as way:
        async with limedb.connect(way.address, follow_ring=False) as db:
            way.lead_to(twins.second)
            await led_astray(lambda: db.set(key, "astray", timeout=2))
            await led_astray(lambda: db.scan(key, timeout=2).next())
            await led_astray(lambda: db.watch(key, timeout=2).next())
    async with alone(twins.second) as second:
        assert await second.get(key) is None


def test_a_node_refuses_calls_that_are_meant_for_another_cluster(twins: Twins) -> None:
    metadata, key = ((HEADER, id_at(twins.first)),), new_key()
    with grpc.insecure_channel(twins.second) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        write = kv_pb2.SetRequest(key=key, value="astray")
        with pytest.raises(grpc.RpcError) as caught:
            stub.Set(write, metadata=metadata, timeout=20)
        error = remote_error(twins.second, caught.value)
        assert error is not None
        assert (error.reason, error.facts["asked"]) == ("WRONG_CLUSTER", id_at(twins.first))
        assert error.nothing_written
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.Session(iter([kv_pb2.SessionRequest(id=1, set=write)]), metadata=metadata, timeout=20))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    with grpc.insecure_channel(twins.first) as channel:
        kv_pb2_grpc.KVServiceStub(channel).Set(write, metadata=metadata, timeout=20)


async def test_the_header_passes_envoy_as_rest_and_as_grpc(cluster: RunningCluster) -> None:
    key = new_key()
    own, wrong = id_at(cluster.nodes[0].address), "0123456789abcdef"
    async with httpx.AsyncClient(base_url=cluster.envoy_url, timeout=20) as http:
        body = {"key": key, "value": "v"}
        refused = await http.post("/api/v1/set", json=body, headers={HEADER: wrong})
        assert (refused.status_code, refused.json()["details"][0]["reason"]) == (503, "WRONG_CLUSTER")
        assert (await http.get(f"/api/v1/get/{key}")).status_code == 404
        assert (await http.post("/api/v1/set", json=body, headers={HEADER: own})).is_success
    with pytest.raises(WrongClusterError):
        await limedb.connect(cluster.envoy_address, follow_ring=False, cluster_id=wrong).open()


@pytest.mark.cluster
async def test_a_cluster_that_was_made_anew_is_told_apart_soon(tmp_path: Path) -> None:
    """No call waits for a cluster that is gone until its timeout."""
    with free_port() as port:
        with running_node(tmp_path / "old", port, {}) as address:
            db = limedb.connect(address, timeout=300)
            await db.open()
            await db.set("k", "old")
        with running_node(tmp_path / "new", port, {}):
            scan, watch = db.scan(), db.watch("k")
            calls = [db.get("k"), db.set("k", "v"), db.delete("k"), scan.next(), watch.next()]
            async with asyncio.timeout(60):
                with pytest.raises(WrongClusterError):  # then the client has noticed it
                    await db.get("k")
                *found, many = await asyncio.gather(*calls, db.get_many(["k", "l"]), return_exceptions=True)
            assert [type(error) for error in found] == [WrongClusterError] * 5
            assert all("connect again" in str(error) for error in found)
            assert not any(error.may_pass for error in found)
            with pytest.raises(WrongClusterError):
                async with asyncio.timeout(60):
                    await consumer()(db, "lamp/", "2")
            assert isinstance(many, PartialFailureError)
            assert {type(error) for error in many.errors.values()} == {WrongClusterError}
            await db.close()
            async with alone(address) as again:
                assert await again.get("k") is None
