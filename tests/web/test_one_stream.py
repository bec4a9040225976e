"""One stream of the cluster for all tabs of a browser, whichever page they show."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.support.clusters import RunningCluster

pytestmark = pytest.mark.cluster


class Tabs:
    """Tabs of one browser, and the streams that they have open."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self.open: set[Request] = set()
        self.most = 0

    def tab(self, path: str) -> Page:
        """A new tab, once it is live."""
        page = self._context.new_page()
        page.on("request", self._begun)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)
        page.on("close", lambda _: self._closed(page))
        page.goto(path)
        expect(page.get_by_role("banner").get_by_role("status")).to_contain_text("live from")
        return page

    def _begun(self, request: Request) -> None:
        if "WatchCluster" in request.url:
            self.open.add(request)
            self.most = max(self.most, len(self.open))

    def _ended(self, request: Request) -> None:
        self.open.discard(request)

    def _closed(self, page: Page) -> None:
        self.open -= {request for request in self.open if request.frame.page == page}


@pytest.fixture
def tabs(browser: Browser, cluster: RunningCluster) -> Iterator[Tabs]:
    """Tabs of a browser of its own."""
    context = browser.new_context(base_url=cluster.envoy_url)
    context.set_default_timeout(30_000)
    yield Tabs(context)
    context.close()


def beats(page: Page, host: str) -> None:
    """Wait until a heartbeat of a node has gone on, so that the page hears."""
    cell = page.get_by_role("listitem", name=host).locator("dd").nth(7)
    expect(cell).not_to_have_text(cell.inner_text())


def test_tabs_share_one_stream_and_another_takes_over(tabs: Tabs, hosts: list[str]) -> None:
    first, second, third = tabs.tab("/"), tabs.tab("/"), tabs.tab("/dashboard/data")
    assert (len(tabs.open), tabs.most) == (1, 1)
    for page in (first, second):
        beats(page, hosts[0])
    first.close()
    beats(second, hosts[0])
    expect(third.get_by_role("banner").get_by_role("status")).to_contain_text("live from")
    assert (len(tabs.open), tabs.most) == (1, 1)


def test_the_page_of_nodes_has_no_stream_more(tabs: Tabs, hosts: list[str]) -> None:
    page = tabs.tab(f"/dashboard/nodes#node=http://{hosts[0]}&other=http://{hosts[1]}")
    for host in hosts[:2]:
        view = page.get_by_role("region", name=host, exact=True)
        expect(view.get_by_role("region", name="Process")).to_contain_text(re.compile("active"))
    assert (len(tabs.open), tabs.most) == (1, 1)


def test_a_tab_in_front_takes_over_from_a_hidden_one(tabs: Tabs, hosts: list[str]) -> None:
    first, second = tabs.tab("/"), tabs.tab("/")
    first.evaluate(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    beats(second, hosts[0])
    assert (len(tabs.open), tabs.most) == (1, 1)
