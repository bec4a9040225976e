"""The pictures of the docs, of a cluster that has something to do. Only `make screenshots` runs this file."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_live, watched_page
from tests.support.clusters import RunningCluster
from tests.support.waiting import wait_for

IMAGES = Path(__file__).parents[2] / "docs/images"
LARGEST = 400 * 1024
SAMPLES = 10
"""Of a node, until its charts have something to show."""
STEPS = 4
"""Of the past, of ten seconds each, likewise."""
KEY = "menu/caipirinha"
RECIPE = '{"name":"Caipirinha","parts":["lime","sugar","cachaça"],"minutes":4}'


@pytest.fixture
def busy(page: Page, rest: httpx.Client) -> Page:
    """A dark page, after the generator wrote some thousand keys."""
    rest.post("/api/v1/set", json={"key": KEY, "value": RECIPE, "ttlMs": 86_400_000}).raise_for_status()
    open_live(page, "/dashboard/seed")
    page.get_by_label("Count").fill("20000")
    page.get_by_role("button", name="Write 20,000 keys").click()
    expect(page.get_by_test_id("seed-status")).to_have_text(
        re.compile("done|running: [5-9],"), timeout=60_000
    )
    return page


def save(page: Page, name: str, **options: Any) -> None:
    file = IMAGES / f"dashboard-{name}.png"
    page.screenshot(path=file, animations="disabled", **options)
    assert file.stat().st_size < LARGEST


def test_seed_and_overview(busy: Page, rest: httpx.Client) -> None:
    save(busy, "seed", clip={"x": 0, "y": 0, "width": 1280, "height": 420})
    expect(busy.get_by_test_id("seed-status")).to_have_text(re.compile("done"), timeout=60_000)
    busy.get_by_role("link", name="Overview").click()
    expect(busy.get_by_label("Summary")).to_contain_text("20,001")
    busy.get_by_label("Where is a key?").fill(KEY)
    busy.get_by_role("button", name="Locate").click()
    expect(busy.get_by_test_id("placed")).to_be_visible()
    busy.get_by_label("Operation").select_option("batch_set")
    wait_for("some steps of the past", lambda: steps(rest) >= STEPS)
    busy.evaluate("window.scrollTo(0, 0)")
    save(busy, "overview", full_page=True)


def steps(rest: httpx.Client) -> int:
    """How many steps of the past each node has."""
    nodes = rest.get("/api/v1/cluster/history").json()["nodes"]
    return min(len(node["points"]) for node in nodes)


def test_data(page: Page) -> None:
    open_live(page, "/dashboard/data")
    page.get_by_role("button", name="SET", exact=True).click()
    page.get_by_role("textbox", name="Key", exact=True).fill(KEY)
    page.get_by_role("textbox", name="Value").fill(RECIPE)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_test_id("receipt")).to_be_visible()
    page.get_by_role("region", name="Key list").get_by_role("button", name=KEY).click()
    expect(page.get_by_role("region", name="Replicas")).to_be_visible()
    save(page, "data")


def test_nodes(browser: Browser, cluster: RunningCluster) -> None:
    one, other = (node.url for node in cluster.nodes[:2])
    with watched_page(browser, cluster.envoy_url, color_scheme="light") as page:
        open_live(page, f"/dashboard/nodes#node={one}&other={other}")
        right = page.get_by_role("region", name=other.removeprefix("http://"), exact=True)
        right.get_by_role("button", name="gossip").click()
        expect(right.get_by_role("img", name="Gossip map")).to_be_visible()
        left = page.get_by_role("region", name=one.removeprefix("http://"), exact=True)
        process = left.get_by_role("region", name="Process")
        for _ in range(SAMPLES):
            before = process.text_content() or ""
            expect(process).not_to_have_text(before)
        page.get_by_text(".lmdb").evaluate(
            "path => { path.textContent = '~/.limedb/node.lmdb' }"
        )  # not this machine's
        save(page, "nodes", clip={"x": 0, "y": 0, "width": 1280, "height": 760})


def test_phone(browser: Browser, cluster: RunningCluster) -> None:
    with watched_page(browser, cluster.envoy_url, viewport={"width": 390, "height": 844}) as page:
        open_live(page)
        expect(page.get_by_label("Summary")).to_contain_text("healthy")
        save(page, "phone")
