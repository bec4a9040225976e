"""Clusters for the terminal UI: one that tests share, and one that a test may break."""

from collections.abc import Iterator

import pytest

from tests.support.clusters import RunningCluster, running_cluster

FAST = {"GOSSIP_INTERVAL": "200ms", "STORE": "memory"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts nodes is marked so."""
    for item in items:
        if {"cluster", "broken"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes, and Envoy. Shared: a test takes new keys, and stops nothing."""
    with running_cluster(tmp_path_factory.mktemp("tui"), nodes=3, env=FAST) as running:
        yield running


@pytest.fixture
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes for one test."""
    with running_cluster(tmp_path_factory.mktemp("tui-broken"), nodes=3, env=FAST, envoy=False) as running:
        yield running
