"""What the dashboard shows when the cluster changes under it."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_live, watched_page
from tests.support.clusters import USUAL, RunningCluster, read_cluster, running_cluster

pytestmark = pytest.mark.cluster

SEEN_MS = 5_000
"""In which a dead node must be seen."""


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster, of four nodes or, where a test has added one, more. A dead node is unreachable for a while
    first, as usual.
    """
    with running_cluster(tmp_path_factory.mktemp("breakable"), env=USUAL) as running:
        yield running


@pytest.fixture
def own_cluster(breakable: RunningCluster) -> Iterator[RunningCluster]:
    """A cluster that a test may break: it is whole again afterwards."""
    yield read_cluster(breakable.folder)
    read_cluster(breakable.folder).mend()


@pytest.fixture
def open_page(browser: Browser, own_cluster: RunningCluster) -> Iterator[Page]:
    """A page whose requests may fail, as nodes do."""
    with watched_page(browser, own_cluster.envoy_url, errors_allowed=True) as page:
        open_live(page)
        yield page


def telling(page: Page) -> str:
    """The host that the page hears from."""
    return page.get_by_role("banner").get_by_role("status").inner_text().removeprefix("live from ")


def test_a_killed_node_is_seen_dying_and_coming_back(open_page: Page, own_cluster: RunningCluster) -> None:
    source = telling(open_page)
    victim = next(node for node in own_cluster.nodes if source not in node.url)
    card = open_page.get_by_role("listitem", name=victim.url.removeprefix("http://"))
    own_cluster.kill(victim.name)
    expect(card).to_contain_text("unreachable", timeout=SEEN_MS)
    expect(open_page.get_by_label("Summary")).to_contain_text("degraded")
    expect(card).to_contain_text("dead")
    expect(open_page.get_by_role("list", name="Events")).to_contain_text("is unreachable, was active")
    card.get_by_role("button").click()  # its own view
    expect(open_page.get_by_role("alert")).to_contain_text("It does not answer")
    own_cluster.restart(victim.name)
    expect(open_page.get_by_role("region", name="Process")).to_contain_text("active")
    open_page.get_by_role("link", name="Overview").click()
    expect(card).to_contain_text("active")


def test_the_page_continues_by_itself_when_its_node_dies(
    open_page: Page, own_cluster: RunningCluster
) -> None:
    source = telling(open_page)
    victim = next(node for node in own_cluster.nodes if source in node.url)
    status = open_page.get_by_role("banner").get_by_role("status")
    own_cluster.kill(victim.name)
    expect(status).not_to_contain_text(source, timeout=SEEN_MS)
    expect(status).to_contain_text("live from")
    card = open_page.get_by_role("listitem", name=victim.url.removeprefix("http://"))
    expect(card).not_to_contain_text("active", timeout=SEEN_MS)


def test_silence_is_said_until_it_ends(open_page: Page, own_cluster: RunningCluster) -> None:
    status = open_page.get_by_role("banner").get_by_role("status")
    for node in own_cluster.nodes:
        own_cluster.pause(node.name)
    expect(status).to_have_text("connection lost, reconnecting…")
    for node in own_cluster.nodes:
        own_cluster.resume(node.name)
    expect(status).to_contain_text("live from")


def test_a_stopped_node_is_seen_too(open_page: Page, own_cluster: RunningCluster) -> None:
    source = telling(open_page)
    victim = next(node for node in own_cluster.nodes if source not in node.url)
    own_cluster.pause(victim.name)
    card = open_page.get_by_role("listitem", name=victim.url.removeprefix("http://"))
    expect(card).not_to_contain_text("active", timeout=SEEN_MS)
    own_cluster.resume(victim.name)
    expect(card).to_contain_text("active")


def test_a_join_is_shown_with_its_progress(open_page: Page, own_cluster: RunningCluster) -> None:
    writes = [{"key": f"k{n}", "value": "v" * 1000} for n in range(5000)]
    with httpx.Client(base_url=own_cluster.envoy_url, timeout=30) as client:
        for start in range(0, len(writes), 1000):
            client.post("/api/v1/batch/set", json={"writes": writes[start : start + 1000]}).raise_for_status()
    count = len(own_cluster.nodes) + 1
    added = own_cluster.add()
    host = added.url.removeprefix("http://")
    panel = open_page.get_by_role("region", name="Change in progress")
    expect(panel).to_contain_text(host, timeout=30_000)
    expect(panel.get_by_role("progressbar", name=f"{host} has fetched")).to_be_visible()
    expect(panel).to_have_count(0, timeout=60_000)
    expect(open_page.get_by_role("list", name="Nodes").get_by_role("listitem")).to_have_count(count)
    expect(open_page.get_by_role("img", name=f"of {count} nodes")).to_be_visible()
