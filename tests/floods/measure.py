"""What floods do to a cluster, as a table: `python -m tests.floods.measure [NAME ...]`.

It owns the command behind the table in docs/limits.md.
"""

import sys
import tempfile
import time
from pathlib import Path

import grpc

from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.floods.attack import FLOODS, LARGE
from tests.floods.others import Memory, Other, flooding
from tests.support.clusters import RunningCluster, running_cluster

HEAD = """| flood | MiB before | peak | after | others, same node | others, another node |
|---|---|---|---|---|---|"""
THROUGH_ENVOY = {"curls", "endless-bodies"}
SECONDS = 10
REMEMBERED = 48
"""Values of 1 MB that fill the log of changes, 32 MiB."""


def fill(address: str) -> None:
    """Store what floods ask for: 40 values of 100 kB and one of 1 MB. Before that, write as much as nodes
    remember of changes, so that their caches are full, as those of any node that has run for a while.
    """
    with grpc.insecure_channel(address) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        for number in range(REMEMBERED):
            stub.Set(kv_pb2.SetRequest(key=f"remembered-{number % 4}", value="v" * 1_000_000))
        for key in LARGE:
            stub.Set(kv_pb2.SetRequest(key=key, value="v" * 100_000))
        stub.Set(kv_pb2.SetRequest(key="larger", value="v" * 1_000_000))


def measured(cluster: RunningCluster, name: str, seconds: float) -> str:
    """One row."""
    target = cluster.envoy_address if name in THROUGH_ENVOY else cluster.nodes[0].address
    memory = Memory([cluster.pid(node.name) for node in cluster.nodes])
    with flooding(name, target):  # once before: what a node keeps of a flood does not grow with the next
        time.sleep(seconds / 3)
    before = memory.settled()
    same = Other(target)
    with flooding(name, target):
        direct = Other(cluster.nodes[1].address)
        time.sleep(seconds)
        during, peer = same.stop(), direct.stop()
    end, least = time.monotonic() + 60, memory.now()
    while time.monotonic() < end and (least := memory.now()) > before * 1.1:
        time.sleep(0.5)
    after = 60 - (end - time.monotonic())
    figures = f"{before:.0f} | {memory.stop():.0f} | {least:.0f} after {after:.0f} s"
    return f"| {name} | {figures} | {during} | {peer} |"


def main(names: list[str]) -> None:
    """Print the table."""
    print(HEAD)  # noqa: T201
    for name in names or FLOODS:
        with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder), nodes=3) as cluster:
            fill(cluster.nodes[0].address)
            print(measured(cluster, name, SECONDS), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
