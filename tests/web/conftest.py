"""One cluster of four real nodes behind a real Envoy, and a real browser in front of it."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import running_browser, watched_page
from tests.support.clusters import RunningCluster, running_cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that opens a page needs a browser."""
    for item in items:
        if "web" in item.path.parts and "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Shared: a test takes new keys, and stops nothing."""
    with running_cluster(tmp_path_factory.mktemp("dashboard")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a module only: no asynchronous test may run while it does."""
    with running_browser() as running:
        yield running


@pytest.fixture
def page(browser: Browser, cluster: RunningCluster) -> Iterator[Page]:
    """A page at 1280; what it reports as an error fails the test."""
    with watched_page(browser, cluster.envoy_url) as watched:
        yield watched


@pytest.fixture
def rest(cluster: RunningCluster) -> Iterator[httpx.Client]:
    """REST through Envoy."""
    with httpx.Client(base_url=cluster.envoy_url, timeout=20) as client:
        yield client


@pytest.fixture
def hosts(cluster: RunningCluster) -> list[str]:
    """The nodes as the dashboard names them."""
    return [node.url.removeprefix("http://") for node in cluster.nodes]
