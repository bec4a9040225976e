"""Clusters for the terminal UI: one that tests share, and one that a test may break."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import pytest_asyncio

import limedb
from limedb.client import Client
from tests.support.clusters import RunningCluster, running_cluster
from tests.support.serving import Pair, advertised_pair

FAST = {"GOSSIP_INTERVAL": "200ms", "STORE": "memory"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start nodes get a mark."""
    for item in items:
        if {"cluster", "broken", "advertised"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes, and Envoy. Shared: a test takes new keys, and stops nothing."""
    with running_cluster(tmp_path_factory.mktemp("tui"), nodes=3, env=FAST) as running:
        yield running


@pytest.fixture
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes for one test."""
    with running_cluster(tmp_path_factory.mktemp("tui-broken"), nodes=3, env=FAST, envoy=False) as running:
        yield running


@pytest.fixture
def advertised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two nodes, of which one is reached only at the address that it advertises."""
    with advertised_pair(tmp_path_factory.mktemp("tui-advertised")) as pair:
        yield pair


@pytest_asyncio.fixture
async def db(cluster: RunningCluster) -> AsyncIterator[Client]:
    """A client that is not the screen's."""
    async with limedb.connect(cluster.nodes[2].address) as client:
        yield client


@pytest.fixture
def prefix() -> str:
    """The beginning of the keys of a test, and of no other."""
    return f"{uuid4().hex[:8]}:"
