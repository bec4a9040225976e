"""Real clusters for the client: one node, three nodes, and Envoy in front of them."""

import os
import subprocess
import sys
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.clusters import RunningCluster, running_cluster
from tests.support.ports import free_port
from tests.support.waiting import wait_for


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts nodes is marked so."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        uses = fixtures & {"node", "cluster", "broken", "hidden"} or item.path.name == "test_failures.py"
        if "client" in item.path.parts and uses:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of one node. Shared: a test takes new keys."""
    with running_cluster(tmp_path_factory.mktemp("one"), nodes=1, envoy=False) as running:
        yield running.nodes[0].address


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes, three replicas, and Envoy. Shared: a test takes new keys, and stops nothing."""
    with running_cluster(tmp_path_factory.mktemp("three"), nodes=3) as running:
        yield running


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes and Envoy for the tests of a module that break nodes."""
    with running_cluster(tmp_path_factory.mktemp("broken"), nodes=3) as running:
        yield running


@pytest.fixture
def broken(breakable: RunningCluster) -> Iterator[RunningCluster]:
    """Three nodes and Envoy for one test, which may break them; they run again afterwards."""
    yield breakable
    breakable.mend()


@pytest.fixture
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a node whose URL leads nowhere from here, as that of one in a container does."""
    folder = tmp_path_factory.mktemp("hidden")
    with free_port() as port, (folder / "node.log").open("w") as log:
        settings = {
            "SERVER_PORT": str(port),
            "NODE_URL": "http://node.invalid:8484",
            "DATA_DIR": str(folder),
            "OTEL_ENDPOINT": "",
        }
        command = [sys.executable, "-m", "limedb", "serve"]
        process = subprocess.Popen(command, env={**os.environ, **settings}, stderr=log)
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                wait_for(
                    "the node to serve",
                    lambda: stub.Check(health_pb2.HealthCheckRequest()).status == 1,
                    limit=30,
                    ignore=grpc.RpcError,
                )
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)
