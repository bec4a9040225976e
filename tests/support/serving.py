"""Nodes by their own settings, for what `limedb cluster` has no way to start.

It owns that no node outlives its test.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.ports import free_ports
from tests.support.waiting import wait_for

NOWHERE = "http://node.invalid:8484"
"""A NODE_URL that leads nowhere from here, as that of a node in a container does."""
HIDDEN = {"NODE_URL": NOWHERE, "INSECURE": "true"}
"""The settings of such a node. It listens everywhere, and these tests are about other things than TLS."""


class Pair(NamedTuple):
    """A cluster of two nodes. first: host:port of the one at its URL; url, address: of the other, whose URL
    leads nowhere, and which is reached at the address that it advertises.
    """

    first: str
    url: str
    address: str


@contextmanager
def running_node(folder: Path, port: int, settings: Mapping[str, str]) -> Iterator[str]:
    """The address of a node that serves, for the time of the block."""
    with starting_node(folder, port, settings) as address:
        _wait_serving(address)
        yield address


@contextmanager
def starting_node(folder: Path, port: int, settings: Mapping[str, str]) -> Iterator[str]:
    """The address of a node that was started, for the time of the block."""
    own = {"SERVER_PORT": str(port), "DATA_DIR": str(folder), "STORE": "memory", "OTEL_ENDPOINT": ""}
    command = [sys.executable, "-m", "limedb", "serve"]
    folder.mkdir(exist_ok=True)
    with (folder / "node.log").open("a") as log:
        process = subprocess.Popen(command, env={**os.environ, **own, **settings}, stderr=log)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def advertised_pair(folder: Path) -> Iterator[Pair]:
    """Two nodes for the time of the block."""
    with free_ports(2) as (port, other):
        url, address = f"http://127.0.0.1:{port}", f"127.0.0.1:{other}"
        hidden = {**HIDDEN, "ADVERTISE_ADDRESS": address, "NODE_PEERS": url}
        with (
            running_node(folder / "first", port, {"NODE_URL": url}) as first,
            running_node(folder / "second", other, hidden),
        ):
            yield Pair(first, NOWHERE, address)


def _wait_serving(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        wait_for(
            "the node to serve",
            lambda: stub.Check(health_pb2.HealthCheckRequest()).status == 1,
            limit=30,
            ignore=grpc.RpcError,
        )
