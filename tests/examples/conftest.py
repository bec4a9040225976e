"""One cluster behind a real Envoy, for programs in other languages."""

from collections.abc import Iterator

import pytest

from tests.support.clusters import RunningCluster, running_cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here starts nodes."""
    for item in items:
        if "examples" in item.path.parts:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Shared: each program writes under a prefix of its own."""
    with running_cluster(tmp_path_factory.mktemp("examples"), nodes=2) as running:
        yield running
