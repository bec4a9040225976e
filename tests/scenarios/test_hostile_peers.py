"""Messages that only peers send, from a stranger, to real nodes: nothing is lost, and all goes on; and how a
cluster is mended that took such messages from an older version.

Tests limedb/cli/repair_topology.py.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from limedb.core.hlc import version_at
from limedbpb.v1 import record_pb2, replica_pb2, replica_pb2_grpc, topology_pb2, topology_pb2_grpc
from tests.scenarios.load import QUORUM, nodes
from tests.scenarios.members import fill, is_settled, missing, status
from tests.support.clusters import Node, RunningCluster, limedb, running_cluster
from tests.support.keys import new_key
from tests.support.waiting import wait_for

SECONDS = 5.0
FAR = 2**64 - 1
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RunningCluster]:
    with running_cluster(tmp_path, nodes=3, envoy=False) as running:
        yield running


class Stranger:
    """Who sends what only peers should, over a channel of its own."""

    def __init__(self, node: Node, channel: grpc.Channel | None = None) -> None:
        self.channel = channel or grpc.insecure_channel(
            node.address, options=[("grpc.max_send_message_length", 64 << 20)]
        )
        self.topology = topology_pb2_grpc.TopologyServiceStub(self.channel)
        self.replica = replica_pb2_grpc.ReplicaServiceStub(self.channel)

    def known(self) -> topology_pb2.Topology:
        return self.topology.Fetch(topology_pb2.FetchRequest(), timeout=SECONDS).topology

    def send(self, stub: object, method: str, request: object) -> grpc.StatusCode | None:
        """None: it was answered; the code that it was refused with otherwise."""
        try:
            getattr(stub, method)(request, timeout=SECONDS)
        except grpc.RpcError as error:
            return error.code()
        return None

    def close(self) -> None:
        self.channel.close()


def forged(true: topology_pb2.Topology) -> list[topology_pb2.Topology]:
    """Topologies that were never decided, each of another kind."""

    def lie(**fields: object) -> topology_pb2.Topology:
        topology = topology_pb2.Topology()
        topology.CopyFrom(true)
        topology.epoch = true.epoch + 1
        for name, value in fields.items():
            if name == "members":
                del topology.members[:]
                topology.members.extend(value)
            else:
                setattr(topology, name, value)
        return topology

    giant = topology_pb2.Member()
    giant.CopyFrom(true.members[0])
    giant.virtual_nodes = 10**6
    raw = topology_pb2.Member(
        node_id="z" * 300, url="not a url", zone="\x1b[2J", standing=topology_pb2.STANDING_NORMAL
    )
    return [
        lie(epoch=FAR),
        lie(epoch=true.epoch + 5, members=true.members[:1]),
        lie(members=true.members[:1]),
        lie(members=true.members[1:]),
        lie(replication_factor=0),
        lie(replication_factor=1),
        lie(members=[giant]),
        lie(members=[*true.members, raw]),
        lie(members=[*true.members, *true.members]),
        lie(members=[]),
        lie(gives_way=True),
        lie(phase=topology_pb2.PHASE_HANDOVER),
    ]


def learn_all(cluster: RunningCluster) -> None:
    """Tell each node each forged topology; and have each vote for each, after each ballot."""
    for node in cluster.nodes:
        stranger = Stranger(node)
        true = stranger.known()
        voter = true.members[0].node_id
        ballots = [(FAR, voter), (FAR, f"{voter}/x"), (2**62, f"{voter}/x"), (1, "a stranger/x")]
        for topology in forged(true):
            stranger.send(stranger.topology, "Learn", topology_pb2.LearnRequest(topology=topology))
            for round_, proposer in [*ballots, (7, f"{voter}/x")]:
                ballot = topology_pb2.Ballot(round=round_, proposer=proposer)
                accept = topology_pb2.AcceptRequest(before=true, ballot=ballot, after=topology)
                assert stranger.send(stranger.topology, "Accept", accept) in REFUSED
        for round_, proposer in ballots:
            prepare = topology_pb2.PrepareRequest(
                before=true, ballot=topology_pb2.Ballot(round=round_, proposer=proposer)
            )
            assert stranger.send(stranger.topology, "Prepare", prepare) in REFUSED
        stranger.close()


def records() -> list[record_pb2.Record]:
    """Records that no node would send."""
    ahead = version_at(time.time_ns() // 1_000_000 + 600_000)
    now = version_at(time.time_ns() // 1_000_000)
    return [
        record_pb2.Record(key=new_key("far"), version=FAR, value="lie"),
        record_pb2.Record(key=new_key("far"), version=ahead, tombstone=True),
        record_pb2.Record(key=new_key("none"), version=0, tombstone=True),
        record_pb2.Record(key="k" * 100_000, version=now, value="lie"),
        record_pb2.Record(key=new_key("large"), version=now, blob=bytes(30 << 20)),
    ]


def apply_all(stranger: Stranger) -> None:
    """Send each to a node, by a call and by the stream."""
    true = stranger.known()
    fence = topology_pb2.Fence(cluster_id=true.cluster_id, epoch=true.epoch)
    for record in records():
        request = replica_pb2.ApplyRequest(records=[record], fence=fence)
        assert stranger.send(stranger.replica, "Apply", request) in REFUSED
        question = replica_pb2.Question(
            number=1, timeout_ms=5000, fence=fence, records=[record.SerializeToString()]
        )
        frames = stranger.replica.Carry(
            iter([replica_pb2.CarryRequest(questions=[question])]), timeout=SECONDS
        )
        [answer] = [
            answer
            for frame in frames
            for answer in replica_pb2.CarryResponse.FromString(_data(frame)).answers
        ]
        assert answer.HasField("refusal")


def _data(frame: replica_pb2.CarryResponse) -> bytes:
    return frame.SerializeToString()


async def keep(cluster: RunningCluster, keys: list[str]) -> None:
    """Store keys under themselves."""
    async with nodes([node.address for node in cluster.nodes]) as clients:
        await fill(clients, keys, QUORUM)


async def lost(cluster: RunningCluster, keys: list[str]) -> list[str]:
    """The keys that some node doesn't read at QUORUM."""
    async with nodes([node.address for node in cluster.nodes]) as clients:
        return [wrong for address in clients.addresses for wrong in await missing(clients, address, keys)]


def test_no_message_of_a_stranger_loses_a_key_or_keeps_members_from_coming_and_going(
    cluster: RunningCluster,
) -> None:
    keys = [new_key("kept") for _ in range(500)]
    asyncio.run(keep(cluster, keys))
    before = status(cluster.nodes[0]).epoch
    learn_all(cluster)
    for node in cluster.nodes:
        stranger = Stranger(node)
        apply_all(stranger)
        stranger.close()
    assert [status(node).epoch for node in cluster.nodes] == [before] * 3
    assert asyncio.run(lost(cluster, keys)) == []

    added = cluster.add()
    members = [*cluster.nodes, added]
    wait_for("the fourth node is in", lambda: all(is_settled(node, members) for node in members), 60)
    assert asyncio.run(lost(cluster, keys)) == []


def test_a_cluster_that_an_older_version_let_be_poisoned_is_mended_by_a_command(
    cluster: RunningCluster,
) -> None:
    keys = [new_key("kept") for _ in range(300)]
    asyncio.run(keep(cluster, keys))
    for node in cluster.nodes:
        cluster.kill(node.name)
    files = sorted(cluster.folder.glob("**/*.lmdb/node.json"))
    assert len(files) == 3
    poison(files)
    folders = [str(file.parent) for file in files]
    told = limedb("repair-topology", "--dry-run", *folders)
    assert told.returncode == 2
    assert "by --replication-factor" in told.stderr

    done = limedb("repair-topology", "--replication-factor", "3", *folders)
    assert done.returncode == 0, done.stderr
    assert "its epoch is 18446744073709551615" in done.stdout
    for node in cluster.nodes:
        cluster.restart(node.name)
    members = cluster.nodes
    wait_for("they are one cluster", lambda: all(is_settled(node, members) for node in members), 60)
    assert asyncio.run(lost(cluster, keys)) == []


def poison(files: list[Path]) -> None:
    """Do to node files what hostile messages did to those of older versions."""
    for i, file in enumerate(files):
        saved = json.loads(file.read_bytes())
        for later in ("checksum", "sequence"):  # they had neither, nor a copy
            del saved[later]
        file.with_name("node.json.copy").unlink()
        saved["topology"]["replication_factor"] = 0
        saved["topology"]["epoch"] = FAR
        saved["acceptor"]["promised"] = [FAR, "evil"]
        if i == 0:
            saved["topology"]["members"] = [saved["topology"]["members"][0] | {"virtual_nodes": 10**6}]
        file.write_text(json.dumps(saved))
