"""Real clusters for the client: one node, three nodes, and Envoy in front of them."""

from collections.abc import Iterator

import pytest

from tests.support.clusters import RunningCluster, running_cluster
from tests.support.ports import free_ports
from tests.support.serving import HIDDEN, Pair, advertised_pair, running_node


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts nodes is marked so."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        uses = (
            fixtures & {"node", "cluster", "broken", "hidden", "advertised", "twins"}
            or item.path.name == "test_failures.py"
        )
        if "client" in item.path.parts and uses:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of one node. Shared: a test takes new keys."""
    with running_cluster(tmp_path_factory.mktemp("one"), nodes=1, envoy=False) as running:
        yield running.nodes[0].address


@pytest.fixture(scope="package")
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
    """The address of a node whose URL leads nowhere from here."""
    folder = tmp_path_factory.mktemp("hidden")
    with free_ports(2) as (port, nobodys):  # it says that it is reached at a port where nobody listens
        settings = {**HIDDEN, "ADVERTISE_ADDRESS": f"127.0.0.1:{nobodys}"}
        with running_node(folder, port, settings) as address:
            yield address


@pytest.fixture
def advertised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two nodes, of which one is reached only at the address that it advertises."""
    with advertised_pair(tmp_path_factory.mktemp("advertised")) as pair:
        yield pair
