"""The overview of more nodes than there are colours: a table, in any order, of any part."""

import re
import urllib.parse
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import open_live, violations, watched_page
from tests.support.clusters import RunningCluster, running_cluster

pytestmark = pytest.mark.cluster

COUNT = 9


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster of nine nodes, all in one zone."""
    settings = {"GOSSIP_INTERVAL": "1s", "ZONE": "rack-7", "STORE": "memory"}
    with running_cluster(tmp_path_factory.mktemp("large"), nodes=COUNT, env=settings) as running:
        yield running


@pytest.fixture
def wide(browser: Browser, large: RunningCluster) -> Iterator[Page]:
    """The overview, once all nodes are members."""
    with watched_page(browser, large.envoy_url) as page:
        open_live(page)
        expect(page.get_by_label("Summary")).to_contain_text(f"{COUNT}of {COUNT}")
        yield page


def rows(page: Page) -> Locator:
    return page.get_by_role("region", name="Nodes").locator("tbody tr")


def column(page: Page, name: str) -> list[str]:
    """The cells of a column."""
    names = page.get_by_role("region", name="Nodes").get_by_role("columnheader").all_inner_texts()
    place = next(place for place, text in enumerate(names) if text.split()[0] == name)
    return [row.locator("td").nth(place).inner_text() for row in rows(page).all()]


def test_a_table_has_a_line_for_each_node_in_the_order_that_is_chosen(wide: Page) -> None:
    expect(rows(wide)).to_have_count(COUNT)
    names = [name.split()[0] for name in column(wide, "node")]
    assert names == sorted(names, key=lambda name: int(name.rpartition(":")[2]))
    wide.get_by_role("button", name="owns").click()
    expect(wide.get_by_role("columnheader", name="owns")).to_have_attribute("aria-sort", "descending")
    shares = [float(text.rstrip("%")) for text in column(wide, "owns")]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(300, abs=1)
    wide.get_by_role("button", name="owns").click()
    expect(wide.get_by_role("columnheader", name="owns")).to_have_attribute("aria-sort", "ascending")
    wide.reload()
    expect(wide.get_by_role("columnheader", name="owns")).to_have_attribute("aria-sort", "ascending")
    assert violations(wide) == []


def test_a_filter_and_a_zone_choose_nodes_and_stay_in_the_address(wide: Page, large: RunningCluster) -> None:
    host = large.nodes[4].url.removeprefix("http://")
    wide.get_by_label("Filter nodes").fill(host)
    expect(rows(wide)).to_have_count(1)
    zone = wide.get_by_label("Zone")
    expect(zone.locator("option")).to_have_text(["all", f"rack-7: {COUNT} of {COUNT} active"])
    zone.select_option("rack-7")
    facts = urllib.parse.parse_qs(urllib.parse.urlsplit(wide.url).fragment)
    assert facts == {"filter": [host], "zone": ["rack-7"]}
    wide.get_by_label("Filter nodes").fill("nonesuch")
    expect(rows(wide)).to_have_count(0)
    expect(wide.get_by_text(f"None of {COUNT} nodes matches.")).to_be_visible()


def test_cards_are_there_for_who_asks_and_no_two_nodes_have_one_colour(wide: Page) -> None:
    wide.get_by_role("button", name="cards", exact=True).click()
    cards = wide.get_by_role("list", name="Nodes").get_by_role("listitem")
    expect(cards).to_have_count(COUNT)
    colours = cards.evaluate_all(
        "cards => cards.map((card) => getComputedStyle(card.querySelector('button > span')).backgroundColor)"
    )
    assert len(set(colours)) == COUNT


def test_charts_show_the_largest(wide: Page) -> None:
    wide.get_by_role("button", name="live", exact=True).click()
    requests = wide.get_by_role("region", name="Requests a second", exact=True)
    expect(requests).to_contain_text(f"the largest 8 of {COUNT}")
    expect(requests.get_by_role("list", name="Last values").get_by_role("listitem")).to_have_count(8)
    expect(requests.get_by_role("img")).to_have_attribute("data-parts", re.compile("^8$"))
