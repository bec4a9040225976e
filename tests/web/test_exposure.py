"""The dashboard of a node that runs with INSECURE=true says so, on the overview and at the node."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_live, watched_page
from tests.support.clusters import RunningCluster, running_cluster

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def open_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster whose Envoy other machines reach."""
    folder = tmp_path_factory.mktemp("open")
    with running_cluster(folder, nodes=1, access=("--host", "0.0.0.0", "--insecure")) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, open_cluster: RunningCluster) -> Iterator[Page]:
    port = open_cluster.envoy_url.rpartition(":")[2]
    with watched_page(browser, f"http://127.0.0.1:{port}") as page:
        yield page


def test_it_warns_as_long_as_the_rule_is_off(visitor: Page) -> None:
    open_live(visitor)
    expect(visitor.get_by_text("INSECURE=true: this node").first).to_be_visible()
    visitor.goto("/dashboard/nodes")
    expect(visitor.get_by_text("INSECURE=true: this node").first).to_be_visible()
