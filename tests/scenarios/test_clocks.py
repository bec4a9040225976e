"""Nodes whose clocks are off: sequential writes never lose to older ones, or are refused in plain words."""

import asyncio
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import grpc
import pytest

from limedb.errors import RemoteError
from limedb.operator.calls import node_client
from limedb.storage.time_mark import TimeMarkFile
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.scenarios.history import Outcome
from tests.scenarios.load import Load, Nodes, complaints, nodes, write_one
from tests.scenarios.test_idempotency import new_idempotency_key
from tests.scenarios.test_partitions import addresses, channels, locate, wait_replicas_agree, wait_until
from tests.support.clusters import QUICK
from tests.support.faketime import faketime_env, faketime_file_env
from tests.support.netns_clusters import NetnsCluster, netns_cluster
from tests.support.ports import free_port
from tests.support.served import Served, served
from tests.support.serving import running_node
from tests.support.waiting import wait_for

RIGHT, AHEAD, BEHIND = ("node1", "node2", "node3"), "node4", "node5"
MINUTES = 600.0
DAY = 86_400
KEYS = [f"clock-{number}" for number in range(12)]
PATIENCE = 10.0
PROBLEM = re.compile(
    r"this node's clock is (\d+) ms (ahead of|behind) those of \d of \d peers, more than 500 ms"
    r" \(MAX_CLOCK_SKEW\): set it right \(NTP\)"
)

pytestmark = pytest.mark.root


@pytest.mark.long
async def test_nodes_ten_minutes_off_refuse_writes_and_no_write_loses_to_an_older_one(tmp_path: Path) -> None:
    with netns_cluster(tmp_path, 5) as cluster:
        async with nodes(addresses(cluster)) as clients:
            load = Load()
            right, skewed = addresses(cluster, RIGHT), addresses(cluster, (AHEAD, BEHIND))
            await write_in_turn(clients, clients.addresses, load)
            assert _failures(load, 0) == []
            for name, seconds in ((AHEAD, MINUTES), (BEHIND, -MINUTES)):
                await _start_with_clock(cluster, name, seconds)
                await write_in_turn(clients, right, load)  # while it may not know yet
            await wait_until("they find out", lambda: _all_have(cluster, (AHEAD, BEHIND), PROBLEM))
            for name, way in ((AHEAD, "ahead of"), (BEHIND, "behind")):
                found = PROBLEM.fullmatch(await _problem(cluster, name))
                assert found is not None
                assert (found[2], abs(int(found[1]) / 1000 - MINUTES) < 10) == (way, True)
                assert not await asyncio.to_thread(_is_serving, cluster, name)
            begun = len(load.operations)
            await write_in_turn(clients, right, load, rounds=6)
            failures = _failures(load, begun)
            assert {(at, bool(PROBLEM.search(text))) for at, text in failures} == {
                (at, True) for at in skewed
            }
            assert all(await asyncio.gather(*(asyncio.to_thread(_is_serving, cluster, n) for n in RIGHT)))
            await wait_replicas_agree(cluster, KEYS)  # those of nodes whose clocks are off, too
            owners = {owner.url for key in KEYS for owner in await locate(cluster, key) if owner.has_record}
            assert owners == {node.url for node in cluster.nodes.values()}
            for name in (AHEAD, BEHIND):
                await _start_with_clock(cluster, name, 0)
            await asyncio.to_thread(cluster.wait_serving)
            begun = len(load.operations)
            await write_in_turn(clients, clients.addresses, load)
            assert _failures(load, begun) == []
            _tell(load)
            assert await complaints(clients, load.ledger) == []


async def test_nodes_a_little_off_all_serve_and_no_write_loses_to_an_older_one(tmp_path: Path) -> None:
    clocks = {AHEAD: faketime_env(0.2), BEHIND: faketime_env(-0.2)}
    with netns_cluster(tmp_path, 5, own_env=clocks) as cluster:
        async with nodes(addresses(cluster)) as clients:
            load = Load()
            await write_in_turn(clients, clients.addresses, load, rounds=10)
            _tell(load)
            assert _failures(load, 0) == []
            assert not await _all_have(cluster, cluster.nodes, re.compile(".+"))
            assert await complaints(clients, load.ledger) == []


async def write_in_turn(clients: Nodes, readers: list[str], load: Load, rounds: int = 3) -> None:
    """Write keys one after another, each through one node after another; what was acknowledged, all readers
    read, and nothing older.
    """
    turn = len(load.operations)
    for number in range(turn, turn + rounds * len(KEYS)):
        key = KEYS[number % len(KEYS)]
        address = clients.addresses[(number + number // len(KEYS)) % len(clients.addresses)]
        done = await write_one(clients, 0, address, key, f"write {number}", PATIENCE)
        load.note(done)
        if done.outcome is Outcome.DONE:
            found = {reader: await clients.get(reader, key, timeout=PATIENCE) for reader in readers}
            assert found == dict.fromkeys(readers, done.value), f"{key} written through {address}"


def _failures(load: Load, since: int) -> list[tuple[str, str]]:
    """Which writes were not acknowledged: through whom, and why."""
    return [(d.address, d.error) for d in load.operations[since:] if d.outcome is not Outcome.DONE]


async def _start_with_clock(cluster: NetnsCluster, name: str, seconds: float) -> None:
    """Start a node anew with its clock that far off; return as soon as it answers at all."""
    await _start_anew(cluster, name, faketime_env(seconds))


async def test_keys_that_are_too_far_ahead_refuse_writes_definitely_and_leave_no_other_in_doubt(
    tmp_path: Path,
) -> None:
    """Data of an older version, whose nodes wrote no time down."""
    setting = tmp_path / "clock"
    setting.write_text(f"+{10 * DAY}\n")
    with netns_cluster(tmp_path, 3, env=faketime_file_env(setting)) as cluster:
        async with nodes(addresses(cluster)) as clients:
            await clients.set(clients.addresses[0], "ahead", "old", timeout=PATIENCE)
        for name in cluster.nodes:
            await asyncio.to_thread(cluster.stop, name)
        await asyncio.to_thread(_forget_time, tmp_path, setting)
        for name in cluster.nodes:
            cluster.start(name)
        await asyncio.to_thread(cluster.wait_serving)
        await asyncio.to_thread(cluster.wait_whole)
        assert await _all_warn(cluster, "keys that have them refuse writes until")
        async with nodes(addresses(cluster)) as clients:
            for at, stub in clients.stubs.items():
                assert await clients.get(at, "ahead", timeout=PATIENCE) == "old"
                with pytest.raises(RemoteError, match="the stored record is") as caught:
                    await clients.set(at, "ahead", "new", timeout=PATIENCE)
                assert caught.value.nothing_written
                writes = [kv_pb2.BatchWrite(key=key, value=at) for key in ("ahead", *KEYS)]
                answer = await stub.BatchSet(kv_pb2.BatchSetRequest(writes=writes), timeout=PATIENCE)
                assert [r.HasField("error") for r in answer.results] == [True, *[False] * len(KEYS)]


def _forget_time(folder: Path, setting: Path) -> None:
    """Set the clocks right, and remove what nodes wrote down of their time."""
    setting.write_text("+0\n")
    marks = [*folder.rglob("*.time")]
    assert len(marks) == 3
    for mark in marks:
        mark.unlink()


async def _start_anew(cluster: NetnsCluster, name: str, env: Mapping[str, str]) -> None:
    await asyncio.to_thread(cluster.stop, name)
    cluster.start(name, env)
    address = cluster.nodes[name].address
    async with channels([address]) as by_address:
        stub = cluster_pb2_grpc.ClusterServiceStub(by_address[address])
        await stub.GetState(cluster_pb2.GetStateRequest(), timeout=30, wait_for_ready=True)


async def _all_have(cluster: NetnsCluster, names: Iterable[str], problem: re.Pattern[str]) -> bool:
    """Whether each node says that it has such a problem."""
    return all([problem.fullmatch(await _problem(cluster, name)) for name in names])


async def _problem(cluster: NetnsCluster, name: str) -> str:
    address = cluster.nodes[name].address
    async with channels([address]) as by_address:
        stub = cluster_pb2_grpc.ClusterServiceStub(by_address[address])
        return (await stub.GetState(cluster_pb2.GetStateRequest(), timeout=PATIENCE)).problem


def _is_serving(cluster: NetnsCluster, name: str) -> bool:
    with node_client(cluster.nodes[name].address, PATIENCE) as node:
        return node.is_serving()


def _tell(load: Load) -> None:
    counts = load.ledger.counts
    print(  # noqa: T201 (shown by pytest -s)
        f"{len(load.operations)} writes in turn: {counts[Outcome.DONE]} acknowledged and read by all,"
        f" {counts[Outcome.FAILED]} refused, {counts[Outcome.UNKNOWN]} unknown"
    )


@pytest.mark.parametrize("seconds", [3600, 10 * DAY, 30_000 * DAY])
async def test_clocks_that_were_ahead_and_are_set_right_stop_no_write(tmp_path: Path, seconds: int) -> None:
    setting = tmp_path / "clock"
    setting.write_text(f"+{seconds}\n")
    with netns_cluster(tmp_path, 3, env=faketime_file_env(setting)) as cluster:
        async with nodes(addresses(cluster)) as clients:
            load = Load()
            await write_in_turn(clients, clients.addresses, load)
            await set_short(clients, "lived", 1500)
            await wait_until("it expires", lambda: _is_seen_gone(clients, "short"))
            setting.write_text("+0\n")
            await wait_until("nodes see it", lambda: _all_warn(cluster, "ahead of its clocks"))
            begun = len(load.operations)
            await write_in_turn(clients, clients.addresses, load)
            assert _failures(load, begun) == []
            assert await _is_gone(clients, "short")
            await check_writes_that_may_be_sent_again(clients)
            await set_short(clients, "again", 3000)
            assert await clients.get(clients.addresses[1], "short", timeout=PATIENCE) == "again"
            await wait_until("it expires again", lambda: _is_seen_gone(clients, "short"))
            cluster.kill("node3")
            cluster.restart("node3")
            begun = len(load.operations)
            await write_in_turn(clients, clients.addresses, load)
            assert _failures(load, begun) == []
            assert await complaints(clients, load.ledger) == []


async def check_writes_that_may_be_sent_again(clients: Nodes) -> None:
    """A client whose clock is right writes once, whether with a condition or without, and an old key of the
    fast clocks does no harm.
    """
    stubs = list(clients.stubs.values())
    for key, condition in ("plain", None), ("conditional", kv_pb2.Condition(exists=False)):
        request = kv_pb2.SetRequest(
            key=key, value="x", idempotency_key=new_idempotency_key(), condition=condition
        )
        first = await stubs[0].Set(request, timeout=PATIENCE)
        request.attempt = 1
        again = await stubs[1].Set(request, timeout=PATIENCE)
        assert again.receipt.version == first.receipt.version, key


async def test_a_node_whose_clock_is_set_right_while_it_runs_serves_again(tmp_path: Path) -> None:
    """It started ten days ahead of the others, so its generation lies beyond what they believe."""
    setting = tmp_path / "clock"
    setting.write_text(f"+{10 * DAY}\n")
    with netns_cluster(tmp_path, 3) as cluster:
        await _start_anew(cluster, "node3", faketime_file_env(setting))
        async with nodes(addresses(cluster)) as clients:
            await wait_until("it finds out", lambda: _all_have(cluster, ["node3"], re.compile("this node.*")))
            setting.write_text("+0\n")
            await asyncio.to_thread(cluster.wait_serving)
            load = Load()
            await write_in_turn(clients, clients.addresses, load)
            assert _failures(load, 0) == []
            await asyncio.to_thread(cluster.wait_whole)


async def set_short(clients: Nodes, value: str, ttl_ms: int) -> None:
    request = kv_pb2.SetRequest(key="short", value=value, ttl_ms=ttl_ms)
    await clients.stubs[clients.addresses[0]].Set(request, timeout=PATIENCE)


async def _is_gone(clients: Nodes, key: str) -> bool:
    return all([await clients.get(at, key, timeout=PATIENCE) is None for at in clients.addresses])


async def _is_seen_gone(clients: Nodes, key: str) -> bool:
    """The same; False while a node can't say, such as one that was late to answer another's ping."""
    try:
        return await _is_gone(clients, key)
    except RemoteError as error:
        if error.code != "UNAVAILABLE":
            raise
        return False


async def _all_warn(cluster: NetnsCluster, text: str) -> bool:
    """Whether each node has such a warning."""
    by_address = {node.address: node for node in cluster.nodes.values()}
    async with channels(list(by_address)) as found:
        stubs = [cluster_pb2_grpc.ClusterServiceStub(channel) for channel in found.values()]
        states = [await stub.GetState(cluster_pb2.GetStateRequest(), timeout=PATIENCE) for stub in stubs]
    return all(any(text in warning for warning in state.warnings) for state in states)


@pytest.mark.parametrize("seconds", [3600, 10 * DAY, 30_000 * DAY])
def test_a_node_whose_clock_is_set_back_while_it_is_stopped_continues_above_what_it_wrote(
    tmp_path: Path, seconds: int
) -> None:
    """Alone, so that no other node knows better: the newest version on its disk is its high-water mark."""
    with free_port() as port:
        settings = {"NODE_URL": f"http://127.0.0.1:{port}", "STORE": "lmdb", **QUICK}
        with running_node(tmp_path, port, settings | faketime_env(seconds)) as address:
            before = written(address, "k", "old")
            written(address, "short", "x", ttl_ms=100)
            wait_for("it expires", lambda: value(address, "short") is None)
        with running_node(tmp_path, port, settings) as address:
            assert value(address, "short") is None
            assert value(address, "k") == "old"
            assert written(address, "k", "new") > before
            assert value(address, "k") == "new"
            assert written(address, "another", "x") > before
        for data in tmp_path.glob("*.lmdb"):
            shutil.rmtree(data)
        with running_node(tmp_path, port, settings) as address:  # it begins anew, by its clock
            assert written(address, "k", "x") < before


def test_a_killed_node_brings_nothing_back_that_expired_after_its_last_write(tmp_path: Path) -> None:
    """Its clock jumped ahead, let the value expire, and is set right while the node is down."""
    setting = tmp_path / "clock"
    setting.write_text("+0\n")
    with served(tmp_path, env=faketime_file_env(setting)) as node:
        node.kv.Set(kv_pb2.SetRequest(key="long", value="x"), timeout=PATIENCE)
        node.kv.Set(kv_pb2.SetRequest(key="short", value="x", ttl_ms=3_600_000), timeout=PATIENCE)
        setting.write_text(f"+{10 * DAY}\n")
        wait_for("it expires", lambda: found(node, "short") is None)
        wait_for("that is written down", lambda: seen_ms(node) > (time.time() + 9 * DAY) * 1000)
        node.process.kill()
        node.process.wait(PATIENCE)
        setting.write_text("+0\n")
        with served(tmp_path, env=node.env, is_awaited=False):  # at the same port
            wait_for("it serves", lambda: found(node, "long") == "x", ignore=grpc.RpcError)
            assert found(node, "short") is None
            node.set("short")
            assert found(node, "short") == "short"


def found(node: Served, key: str) -> str | None:
    """What a key has."""
    (result,) = node.kv.BatchGet(kv_pb2.BatchGetRequest(keys=[key]), timeout=PATIENCE).results
    return result.value if result.found else None


def seen_ms(node: Served) -> int:
    """The time that a node has written down."""
    (file,) = node.data.glob("*.time")
    return TimeMarkFile(file).load().ms


def written(address: str, key: str, text: str, ttl_ms: int = 0) -> int:
    """The version of a write."""
    with grpc.insecure_channel(address) as channel:
        request = kv_pb2.SetRequest(key=key, value=text, ttl_ms=ttl_ms)
        return kv_pb2_grpc.KVServiceStub(channel).Set(request, timeout=30).receipt.version


def value(address: str, key: str) -> str | None:
    """What a key has; None: nothing."""
    with grpc.insecure_channel(address) as channel:
        request = kv_pb2.BatchGetRequest(keys=[key])
        (result,) = kv_pb2_grpc.KVServiceStub(channel).BatchGet(request, timeout=30).results
        return result.value if result.found else None
