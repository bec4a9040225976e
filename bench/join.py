"""How fast a node that joins gets its keys.

    python -m bench.join [--keys 1000000] [--sources 1] [--value-size 100] [--durability always]

Sources are nodes that hold all keys; they share this machine with the one that joins. Reported: keys a second
that were fetched and are on the new node's disk, from the beginning of the change to its end, and how much
processor time it took there and at the sources. With one source nothing is compared; with three, each key is
fetched from one of them and compared with the others.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc

from bench.load import free_port, limedb_command, node_env, server, wait_serving
from limedb.rpc.admin_calls import admin_client
from limedbpb.v1 import kv_pb2, kv_pb2_grpc, record_pb2

BATCH = 1000
AT_ONCE = 8
LIMIT = 600.0


async def fill(ports: Sequence[int], keys: int, value: str) -> None:
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}") for port in ports]
    stubs = [kv_pb2_grpc.KVServiceStub(channel) for channel in channels]
    gate = asyncio.Semaphore(AT_ONCE)

    async def write(first: int) -> None:
        async with gate:
            writes = [
                kv_pb2.BatchWrite(key=f"key-{number:09}", value=value)
                for number in range(first, min(keys, first + BATCH))
            ]
            request = kv_pb2.BatchSetRequest(writes=writes, consistency=record_pb2.CONSISTENCY_ALL)
            answer = await stubs[first // BATCH % len(stubs)].BatchSet(request, timeout=60)
        if any(result.HasField("error") for result in answer.results):
            raise SystemExit("a write failed")

    await asyncio.gather(*(write(first) for first in range(0, keys, BATCH)))
    await asyncio.gather(*(channel.close() for channel in channels))


def cpu(process: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(process: int) -> float:
    """The most memory that a process had, in MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


@contextmanager
def node(folder: Path, port: int, peers: Sequence[int], options: argparse.Namespace) -> Iterator[int]:
    """A node, and its process."""
    env = node_env(
        folder / str(port),
        port,
        NODE_PEERS=",".join(f"http://127.0.0.1:{peer}" for peer in peers if peer != port),
        REPLICATION_FACTOR=str(options.sources + 1),
        DURABILITY=options.durability,
        GOSSIP_INTERVAL="200ms",
    )
    with server(*limedb_command("serve"), port=port, env=env) as process:
        yield process.pid


def wait_joined(asked: int, url: str) -> tuple[float, float, int]:
    """When the change was first and last seen, and the keys fetched by then."""
    began = ended = 0.0
    keys, limit = 0, time.monotonic() + LIMIT
    with admin_client(f"127.0.0.1:{asked}", 10) as admin:
        while time.monotonic() < limit:
            told = admin.status()
            now = time.monotonic()
            if told.change is not None:
                began = began or now
                progress = told.change.progress.get(url)
                keys = progress.keys if progress else keys
                ended = now
            elif began:
                return began, ended, keys
            time.sleep(0.05)
    raise SystemExit(f"the node has not joined within {LIMIT:.0f} s")


def run(folder: Path, options: argparse.Namespace) -> None:
    ports = [free_port() for _ in range(options.sources)]
    new = free_port()
    with ExitStack() as stack:
        sources = [stack.enter_context(node(folder, port, ports, options)) for port in ports]
        for port in ports:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                wait_serving(channel)
        started = time.perf_counter()
        asyncio.run(fill(ports, options.keys, "v" * options.value_size))
        print(f"filled {options.keys} keys in {time.perf_counter() - started:.1f} s")
        before = sum(map(cpu, sources))
        joiner = stack.enter_context(node(folder, new, ports, options))
        began, ended, keys = wait_joined(ports[0], f"http://127.0.0.1:{new}")
        seconds = ended - began
        print(
            f"{keys} keys of {options.value_size} B in {seconds:.1f} s: {keys / seconds:,.0f} keys/s;"
            f" processor time: new node {cpu(joiner):.1f} s, sources {sum(map(cpu, sources)) - before:.1f} s;"
            f" memory of the new node at most {peak_mb(joiner):.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--sources", type=int, default=1)
    parser.add_argument("--value-size", type=int, default=100)
    parser.add_argument("--durability", choices=["always", "interval", "none"], default="always")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        run(Path(folder), options)


if __name__ == "__main__":
    main()
