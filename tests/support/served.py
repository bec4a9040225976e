"""One real node by itself, which a test may hurt."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.support.children import LIMIT
from tests.support.clusters import QUICK
from tests.support.ports import free_port
from tests.support.waiting import wait_for

SECONDS = 20


@dataclass
class Served:
    """A node that runs by itself. env: its settings."""

    process: "subprocess.Popen[bytes]"
    port: int
    data: Path
    log: Path
    channel: grpc.Channel
    env: Mapping[str, str]

    @property
    def kv(self) -> "kv_pb2_grpc.KVServiceStub":
        return kv_pb2_grpc.KVServiceStub(self.channel)

    def set(self, key: str, timeout: float = SECONDS) -> None:
        self.kv.Set(kv_pb2.SetRequest(key=key, value=key), timeout=timeout)

    def get(self, key: str) -> str:
        return self.kv.Get(kv_pb2.GetRequest(key=key), timeout=SECONDS).value

    def health(self) -> "cluster_pb2.GetHealthResponse":
        stub = cluster_pb2_grpc.ClusterServiceStub(self.channel)
        return stub.GetHealth(cluster_pb2.GetHealthRequest(), timeout=SECONDS)


@contextmanager
def served(
    folder: Path,
    stderr: int | None = None,
    files: int | None = None,
    env: Mapping[str, str] | None = None,
    is_awaited: bool = True,
) -> Iterator[Served]:
    """A node of its own for the time of the block. files: how many it may open (None: as many as we may).
    is_awaited: it serves when the block begins.
    """
    with ExitStack() as stack:
        port, log = stack.enter_context(free_port()), folder / "node.log"
        own = {
            "SERVER_PORT": str(port), "NODE_URL": f"http://127.0.0.1:{port}",
            "DATA_DIR": str(folder / "data"), "OTEL_ENDPOINT": "", **QUICK, **(env or {}),
        }  # fmt: skip
        # A shell sets the limit: what ran between fork and exec in a process with gRPC's threads could hang.
        limit = [] if files is None else ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"]
        process = subprocess.Popen(
            [*limit, sys.executable, "-m", "limedb", "serve"],
            env={**os.environ, **own},
            stderr=stack.enter_context(log.open("wb")) if stderr is None else stderr,
        )
        try:
            channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
            node = Served(process, port, folder / "data", log, channel, own)
            if is_awaited:
                wait_for("a first write", lambda: node.set("first", 1) is None, ignore=grpc.RpcError)
            yield node
        finally:
            process.kill()
            process.wait(LIMIT)
