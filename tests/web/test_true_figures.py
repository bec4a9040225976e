"""What the dashboard claims where nothing is known: of nodes that send nothing, and of a lost connection."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import open_live, violations, watched_page
from tests.support.clusters import USUAL, RunningCluster, read_cluster, running_cluster

pytestmark = pytest.mark.cluster

NOTHING = "\N{EN DASH}"
NO_DATA = re.compile(r"no data since (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d")


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster whose nodes tests stop."""
    with running_cluster(tmp_path_factory.mktemp("silent"), env=USUAL) as running:
        yield running


@pytest.fixture
def open_page(browser: Browser, silent: RunningCluster) -> Iterator[Page]:
    """A page of a cluster that is whole afterwards."""
    with watched_page(browser, silent.envoy_url, errors_allowed=True) as page:
        open_live(page)
        yield page
    read_cluster(silent.folder).mend()


def other_than_reporter(page: Page, cluster: RunningCluster) -> tuple[str, str]:
    """The name and the host of a node that the page doesn't hear from."""
    source = page.get_by_role("banner").get_by_role("status").inner_text().removeprefix("live from ")
    node = next(node for node in cluster.nodes if source not in node.url)
    return node.name, node.url.removeprefix("http://")


def figure(page: Page, name: str) -> Locator:
    """A figure of the summary."""
    return page.get_by_label("Summary").locator("div", has=page.get_by_text(name, exact=True)).locator("dd")


@pytest.mark.parametrize("how", ["pause", "kill"])
def test_a_silent_node_has_no_figures_and_is_not_counted(
    open_page: Page, silent: RunningCluster, how: str
) -> None:
    name, host = other_than_reporter(open_page, silent)
    card = open_page.get_by_role("listitem", name=host)
    expect(card.locator("dd")).to_have_count(9)
    getattr(silent, how)(name)
    expect(card).to_contain_text(NO_DATA)
    expect(card.locator("dd")).to_have_count(0)
    expect(open_page.get_by_label("Summary")).to_contain_text("degraded")
    expect(figure(open_page, "Nodes active")).to_have_text("3of 4")
    expect(figure(open_page, "On disk")).to_contain_text("of 3 nodes")
    peer = open_page.get_by_role("region", name="Peers").get_by_role("row").filter(has_text=host)
    expect(peer).to_contain_text("unknown")
    open_page.get_by_role("button", name="table", exact=True).click()
    row = open_page.get_by_role("row").filter(has_text=NO_DATA)
    expect(row).to_contain_text(host)
    assert violations(open_page) == []


def test_a_line_breaks_where_a_node_was_silent(open_page: Page, silent: RunningCluster) -> None:
    """A line of each node has one part; that of a node that was away for a while has two."""
    open_page.get_by_role("button", name="live", exact=True).click()
    chart = open_page.get_by_role("img", name="Requests a second of each node over time")
    expect(chart).to_have_attribute("data-parts", "4")
    name, host = other_than_reporter(open_page, silent)
    card = open_page.get_by_role("listitem", name=host)
    silent.pause(name)
    expect(card).to_contain_text(NO_DATA)
    expect(open_page.get_by_role("list", name="Last values").first).to_contain_text(f"{host}{NOTHING}")
    silent.resume(name)
    expect(card.locator("dd")).to_have_count(9)
    expect(chart).to_have_attribute("data-parts", "5")


def test_a_lost_connection_is_not_healthy_and_has_no_figures(open_page: Page, silent: RunningCluster) -> None:
    for node in silent.nodes:
        silent.kill(node.name)
    expect(open_page.get_by_role("banner").get_by_role("status")).to_contain_text("connection lost")
    alert = open_page.get_by_role("alert").first
    expect(alert).to_contain_text(NO_DATA)
    expect(alert).to_contain_text("no healthy upstream")
    expect(figure(open_page, "Health")).to_have_text("unknown")
    expect(figure(open_page, "Nodes active")).to_have_text(f"{NOTHING}of 4")
    for name in ("Keys, about", "On disk", "Requests"):
        expect(figure(open_page, name)).to_contain_text(NOTHING)
    cards = open_page.get_by_role("list", name="Nodes").get_by_role("listitem")
    expect(cards.filter(has_text=NO_DATA)).to_have_count(4)


def test_without_any_node_the_first_page_explains_itself(browser: Browser, silent: RunningCluster) -> None:
    for node in silent.nodes:
        silent.kill(node.name)
    try:
        with watched_page(browser, silent.envoy_url, errors_allowed=True) as page:
            answer = page.goto("/")
            assert answer is not None
            assert (answer.status, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
            expect(page.get_by_role("heading", level=1)).to_have_text("No node of this cluster answers")
            expect(page.get_by_role("main")).to_contain_text(
                re.compile("no healthy upstream|upstream connect error")
            )
            read_cluster(silent.folder).mend()
            page.get_by_role("link", name="Try again").click()
            expect(page.get_by_role("banner").get_by_role("status")).to_contain_text("live from")
    finally:
        read_cluster(silent.folder).mend()


def test_a_node_that_is_silent_has_no_old_figures_on_its_own_page(
    open_page: Page, silent: RunningCluster
) -> None:
    name, host = other_than_reporter(open_page, silent)
    open_page.goto(f"/dashboard/nodes#node=http://{host}")
    view = open_page.get_by_role("region", name=host, exact=True)
    expect(view.get_by_role("region", name="Process")).to_contain_text("active")
    silent.kill(name)
    expect(view.get_by_role("alert")).to_contain_text(NO_DATA)
    expect(view.get_by_role("region", name="Process")).to_have_count(0)
