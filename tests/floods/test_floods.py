"""Floods against real nodes: others are served meanwhile, memory is bounded, and comes back.

CI runs a few, each for a moment; `make torture` runs all.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.floods import wire
from tests.floods.attack import FLOODS
from tests.floods.measure import THROUGH_ENVOY, fill
from tests.floods.others import Memory, Other, flooding
from tests.support.clusters import USUAL, RunningCluster, running_cluster
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

MAX_MEMORY_MIB = 256
KEPT_MIB = 450
"""Other memory of a node: its own start, caches, and memory that the C library keeps for a while."""
SHORTLY = 3.0
PATIENCE = 30.0
"""Seconds of a request: none may be refused, however long it takes on a loaded machine."""
AGAIN_SECONDS = 90


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    env = USUAL | {"MAX_MEMORY": f"{MAX_MEMORY_MIB}MiB"}
    with running_cluster(tmp_path_factory.mktemp("floods"), nodes=3, env=env) as running:
        fill(running.nodes[0].address)
        yield running


@pytest.mark.parametrize("name", ["sessions", "unread-gets", "half-open", "reconnects"])
def test_others_are_served_during_a_flood_and_memory_is_bounded(cluster: RunningCluster, name: str) -> None:
    address = cluster.nodes[0].address
    memory, other = Memory([cluster.pid("node1")]), Other(address, PATIENCE)
    with flooding(name, address):
        time.sleep(SHORTLY)  # what is measured, not what is waited for
        noticed = other.stop()
    assert memory.stop() < MAX_MEMORY_MIB + KEPT_MIB
    # How long they take depends on the machine: `make torture` measures it.
    assert not noticed.failures, noticed
    afterwards = Other(address, PATIENCE)
    wait_for("the next requests", lambda: len(afterwards.noticed.times) >= 20)
    assert not afterwards.stop().failures, afterwards.noticed


def test_pings_that_come_too_fast_are_answered_one_by_one(cluster: RunningCluster) -> None:
    """gRPC's other way, to end the connection and read on, takes a node's only thread for the network."""
    with closing(wire.connected(cluster.nodes[0].address, 65_535)) as link:
        link.settimeout(PATIENCE)
        for number in range(20):
            payload, data = b"%08d" % number, b""
            link.sendall(wire.frame(wire.PING, 0, 0, payload))
            while wire.frame(wire.PING, 1, 0, payload) not in data:
                more = link.recv(65_536)
                assert more, f"the node has ended the connection: {data!r}"
                data += more


@pytest.mark.torture
@pytest.mark.parametrize("name", sorted(FLOODS))
def test_each_flood_leaves_others_in_peace(tmp_path: Path, name: str) -> None:
    with running_cluster(tmp_path, nodes=3, env=USUAL) as cluster:
        fill(cluster.nodes[0].address)
        target = cluster.envoy_address if name in THROUGH_ENVOY else cluster.nodes[0].address
        memory = Memory([cluster.pid(node.name) for node in cluster.nodes])
        with flooding(name, target):  # once before: what a node keeps of a flood does not grow with the next
            time.sleep(SHORTLY)
        before = memory.settled()
        other, peer = Other(target), Other(cluster.nodes[1].address)
        with flooding(name, target):
            time.sleep(10)  # what is measured, not what is waited for
            noticed, by_peer = other.stop(), peer.stop()
        assert not by_peer.failures, by_peer
        assert noticed.percentile(0.99) < 500, noticed
        wait_for("memory to come back", lambda: memory.now() < 1.1 * before, limit=AGAIN_SECONDS)
        memory.stop()


@pytest.mark.torture
def test_floods_of_large_batches_do_not_add_up(tmp_path: Path) -> None:
    """The first leaves the memory that a node keeps of the writes; the next ones leave no more."""
    with running_cluster(tmp_path, nodes=3, env=USUAL) as cluster:
        memory, kept = Memory([cluster.pid("node1")]), list[float]()
        for _ in range(3):
            with flooding("batch-sets", cluster.nodes[0].address):
                time.sleep(10)  # what is measured, not what is waited for
            wait_for("memory to come back", lambda: memory.now() < 150, limit=AGAIN_SECONDS)
            kept.append(memory.now())
        memory.stop()
    assert max(kept[1:]) < 1.1 * kept[0] + 16, kept  # what the C library keeps differs by some MiB
