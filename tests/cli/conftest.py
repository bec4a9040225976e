"""Real clusters for the command line: three nodes behind Envoy, and one node alone."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from limedb.client import connect_sync
from tests.support.clusters import RunningCluster, limedb, running_cluster

Told = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts nodes is marked so."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "cli" in item.path.parts and fixtures & {"cluster", "lasting", "fresh"}:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes, three replicas, and Envoy. Shared: a test takes new keys, and stops nothing."""
    with running_cluster(tmp_path_factory.mktemp("cli"), nodes=3, env={"STORE": "memory"}) as running:
        yield running


def running_node(folder: Path) -> AbstractContextManager[RunningCluster]:
    """A cluster of one node."""
    return running_cluster(folder, nodes=1, env={"STORE": "memory"}, envoy=False)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The addresses of two clusters of one node each."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    with running_node(one) as first, running_node(two) as second:
        yield first.nodes[0].address, second.nodes[0].address


@pytest.fixture
def node(lasting: tuple[str, str]) -> str:
    """The address of a cluster of one node, which holds nothing and is the test's own meanwhile."""
    return emptied(lasting[0])


@pytest.fixture
def other(lasting: tuple[str, str]) -> str:
    """Another one."""
    return emptied(lasting[1])


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of one node for what is large."""
    with running_node(tmp_path_factory.mktemp("fresh")) as running:
        yield running.nodes[0].address


def emptied(address: str) -> str:
    """A node whose keys are deleted first."""
    with connect_sync(address) as db:
        if keys := [entry.key for entry in db.scan(keys_only=True)]:
            db.delete_many(keys)
    return address


@pytest.fixture
def told(cluster: RunningCluster) -> Told:
    """What a command prints as JSON; it must succeed."""

    def run(*arguments: str) -> Any:
        done = limedb(*arguments, "-o", "json", "--target", cluster.envoy_address)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
