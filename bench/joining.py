"""The rate at which a joining node gets its keys: streamed from the one that has them, and stored on disk.

    python -m bench.joining [--keys 1000000]

The first node is filled while it doesn't run. The second starts with NODE_PEERS; with two nodes it gets every
key. The time runs from the first sight of the phase "streaming" to that of "steady".
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import grpc

from bench import names
from bench.growth import fill
from bench.results import Results
from bench.systems.limedb import LimeDB, wait_member
from bench.systems.processes import LOOPBACK, steady_port
from bench.waiting import wait_until
from limedbpb.v1 import admin_pb2, admin_pb2_grpc, kv_pb2, kv_pb2_grpc

_PAUSE = 0.005  # seconds between two looks at the phase
_LIMIT = 600.0  # seconds that a join may take


def measure(folder: Path, keys: int, results: Results) -> None:
    """Add the rate of one join, in keys a second."""
    system = LimeDB(folder, 1)
    first, second = system.ports[0], steady_port()
    system.start()
    system.stop()
    asyncio.run(fill(folder / str(first), f"http://{LOOPBACK}:{first}", keys))
    system.start()
    try:
        system.ports.append(second)
        with grpc.insecure_channel(f"{LOOPBACK}:{first}") as channel:
            seconds = _join(system, second, admin_pb2_grpc.AdminServiceStub(channel))
        wait_member(second, 2)
        stored = _keys_of(second)
    finally:
        system.stop()
    if stored != keys:
        raise SystemExit(f"the new node has {stored} of {keys} keys")
    results.add(names.JOIN, names.LIMEDB, "keys/s", keys / seconds)


def _join(system: LimeDB, port: int, admin: admin_pb2_grpc.AdminServiceStub) -> float:
    """Start the node; return the seconds in which it got its keys."""

    def status() -> admin_pb2.GetStatusResponse:
        return admin.GetStatus(admin_pb2.GetStatusRequest(), timeout=10)

    def is_joined() -> bool:
        now = status()
        return now.phase == "steady" and len(now.members) == 2

    system.start_node(port)
    wait_until(lambda: status().phase != "steady" or is_joined(), 60, "the join begins", _PAUSE)
    start = time.perf_counter()
    wait_until(is_joined, _LIMIT, "the join ends", _PAUSE)
    return time.perf_counter() - start


def _keys_of(port: int) -> int:
    with grpc.insecure_channel(f"{LOOPBACK}:{port}") as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        return stub.ListKeys(kv_pb2.ListKeysRequest(page_size=1), timeout=10).total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=1_000_000)
    options = parser.parse_args()
    results = Results()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        measure(Path(folder), options.keys, results)
    figure = results.find(names.JOIN, names.LIMEDB)
    assert figure
    print(f"{options.keys} keys: {figure.median:.0f} keys/s")


if __name__ == "__main__":
    main()
