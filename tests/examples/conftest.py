"""One cluster behind a real Envoy, for programs in other languages."""

from collections.abc import Iterator

import pytest

from tests.support.clusters import RunningCluster, running_cluster
from tests.support.ports import free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here starts nodes."""
    for item in items:
        if "examples" in item.path.parts:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="package")
def page_port() -> Iterator[int]:
    """The port of a web server for pages."""
    with free_port() as port:
        yield port


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory, page_port: int) -> Iterator[RunningCluster]:
    """Shared: each program writes under a prefix of its own. Pages of `page_port` may call."""
    access = ("--origin", f"http://127.0.0.1:{page_port}")
    with running_cluster(tmp_path_factory.mktemp("examples"), nodes=2, access=access) as running:
        yield running
