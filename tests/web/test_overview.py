"""The overview: what a running cluster looks like."""

import re
import uuid

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import open_live

pytestmark = pytest.mark.cluster


def test_it_shows_the_cluster_and_a_card_for_each_node(page: Page, hosts: list[str]) -> None:
    open_live(page)
    summary = page.get_by_label("Summary")
    expect(summary).to_contain_text("healthy")
    expect(summary).to_contain_text("4of 4")
    cards = page.get_by_role("list", name="Nodes").get_by_role("listitem")
    expect(cards).to_have_count(4)
    for host in hosts:
        card = page.get_by_role("listitem", name=host)
        expect(card).to_contain_text("active")
        for name in ("keys", "disk", "memory", "requests/s", "latency", "heartbeat"):
            expect(card.get_by_text(name, exact=True)).to_be_visible()


def test_it_lives_by_what_the_cluster_tells(page: Page, hosts: list[str]) -> None:
    """A heartbeat that was seen goes on, with no request but the stream's, one for the past apart."""
    open_live(page)
    cell = page.get_by_role("listitem", name=hosts[0]).locator("dd").nth(7)
    before = cell.inner_text()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    expect(cell).not_to_have_text(before)
    assert [url for url in requests if "GetHistory" not in url] == []


def test_a_page_that_nobody_sees_hears_nothing(page: Page, hosts: list[str]) -> None:
    """A browser has six connections to a host: hidden pages must leave them to others."""
    open_live(page)

    def hide(hidden: bool) -> None:
        page.evaluate(
            "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
            " document.dispatchEvent(new Event('visibilitychange')) }",
            hidden,
        )

    with page.expect_event("requestfailed", lambda request: "WatchCluster" in request.url):
        hide(True)
    cell = page.get_by_role("listitem", name=hosts[0]).locator("dd").nth(7)
    before = cell.inner_text()
    hide(False)
    expect(cell).not_to_have_text(before)


def test_a_load_is_seen_at_its_node(page: Page, rest: httpx.Client, hosts: list[str]) -> None:
    open_live(page)
    rate = page.get_by_role("listitem", name=hosts[1]).locator("dd").nth(3)
    for _ in range(50):
        rest.get("/api/v1/cluster/state", headers={"x-limedb-node": f"http://{hosts[1]}"})
    expect(rate).to_have_text(re.compile(r"^([1-9]|\d\d)"))


def test_the_ring_shows_shares_and_the_range_that_is_pointed_at(page: Page, hosts: list[str]) -> None:
    open_live(page)
    ring = page.get_by_role("img", name="The ring: 1024 ranges of 4 nodes")
    rows = page.get_by_role("list", name="Ownership").get_by_role("listitem")
    expect(rows).to_have_count(4)
    shares = [float(re.findall(r"([\d.]+)%", text)[0]) for text in rows.all_inner_texts()]
    replicas = int(page.get_by_label("Summary").get_by_text("replicas").inner_text().split()[1])
    assert sum(shares) == pytest.approx(100 * replicas, abs=0.3)
    box = ring.bounding_box()
    assert box is not None
    ring.hover(position={"x": box["width"] / 2, "y": box["height"] * 0.08})
    expect(page.get_by_test_id("range")).to_have_text(
        re.compile(r"is the first owner of [\d.]+%: \d+ \S \d+")
    )
    assert page.get_by_test_id("range").inner_text().split()[0] in hosts


def test_a_key_is_placed_on_the_ring_with_its_replicas(page: Page, rest: httpx.Client) -> None:
    key = f"placed/{uuid.uuid4()}"
    write = {"key": key, "value": "v", "consistency": "CONSISTENCY_ALL"}  # no copy is on its way then
    rest.post("/api/v1/set", json=write).raise_for_status()
    located = rest.get(f"/api/v1/replicas/{key}").json()
    open_live(page)
    page.get_by_label("Where is a key?").fill(key)
    page.get_by_role("button", name="Locate").click()
    expect(page.get_by_test_id("token")).to_have_text(located["token"])
    rows = page.get_by_role("region", name="Replicas").get_by_role("row")
    expect(rows).to_have_count(1 + len(located["owners"]))
    for owner in located["owners"]:
        expect(rows.filter(has_text=owner["url"].removeprefix("http://"))).to_contain_text("1 B")
    expect(page.get_by_test_id("placed").locator("line")).to_have_count(len(located["owners"]))


def test_hints_clocks_and_repair_are_told_of_each_peer(page: Page) -> None:
    open_live(page)
    rows = page.get_by_role("region", name="Peers").get_by_role("row")
    expect(rows).to_have_count(4)
    for row in rows.all()[1:]:
        expect(row).to_have_text(re.compile(r"0 B.*\d+ ms\d+"))
    expect(page.get_by_text(re.compile(r"Repair: [\d,]+ passes"))).to_be_visible()
