"""Clusters of real nodes behind a real Envoy, each for the tests of one file.

An idle node takes about 2 % of a processor: clusters that outlive their file slow down all that follow.
"""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.clusters import FOR_NODES, RunningCluster, running_cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here starts nodes."""
    for item in items:
        if "scenarios" in item.path.parts:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Four nodes. A test takes new keys, and stops nothing. Each key has one owner, as with the Go LimeDB.
    Pages of page.example may call.
    """
    env = {"REPLICATION_FACTOR": "1"}
    access = (*FOR_NODES, "--origin", "http://page.example")
    with running_cluster(tmp_path_factory.mktemp("shared"), env=env, access=access) as running:
        yield running


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """The same with three replicas of each key, as is the default."""
    with running_cluster(tmp_path_factory.mktemp("replicated")) as running:
        yield running


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Shared by tests that damage one node's data, each with keys of its own, and leave it whole: three nodes
    without Envoy, compared every two seconds.
    """
    env = {"REPAIR_INTERVAL": "2s"}
    with running_cluster(tmp_path_factory.mktemp("breakable"), nodes=3, env=env, envoy=False) as running:
        yield running


@pytest.fixture
def rest(cluster: RunningCluster) -> Iterator[httpx.Client]:
    """REST through Envoy."""
    with httpx.Client(base_url=cluster.envoy_url, timeout=20) as client:
        yield client


@pytest.fixture
def urls(cluster: RunningCluster) -> list[str]:
    """The nodes' URLs."""
    return [node.url for node in cluster.nodes]
