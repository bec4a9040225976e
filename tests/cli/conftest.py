"""Real clusters for the command line: three nodes behind Envoy, and one node alone."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.clusters import RunningCluster, limedb, running_cluster

Told = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts nodes is marked so."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "cli" in item.path.parts and fixtures & {"cluster", "node"}:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes, three replicas, and Envoy. Shared: a test takes new keys, and stops nothing."""
    with running_cluster(tmp_path_factory.mktemp("cli"), nodes=3, env={"STORE": "memory"}) as running:
        yield running


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of one node, which is the test's own."""
    with running_cluster(
        tmp_path_factory.mktemp("one"), nodes=1, env={"STORE": "memory"}, envoy=False
    ) as running:
        yield running.nodes[0].address


@pytest.fixture
def told(cluster: RunningCluster) -> Told:
    """What a command prints as JSON; it must succeed."""

    def run(*arguments: str) -> Any:
        done = limedb(*arguments, "-o", "json", "--target", cluster.envoy_address)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
