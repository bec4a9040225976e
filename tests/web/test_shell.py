"""What all pages share: themes, the palette, phones, and people who can't see or click."""

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_live, violations, watched_page
from tests.support.clusters import RunningCluster

pytestmark = pytest.mark.cluster

PAGES = {
    "Overview": "/",
    "Nodes": "/dashboard/nodes",
    "Data": "/dashboard/data#key=axe",
    "Seed data": "/dashboard/seed",
}
PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_axe_finds_nothing(
    browser: Browser, cluster: RunningCluster, rest: httpx.Client, path: str, theme: str
) -> None:
    rest.post("/api/v1/set", json={"key": "axe", "value": '{"sharp":true}'}).raise_for_status()
    with watched_page(browser, cluster.envoy_url, color_scheme=theme) as page:
        open_live(page, path)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        assert violations(page) == []


def test_axe_finds_nothing_in_any_view_of_a_node(page: Page, rest: httpx.Client, hosts: list[str]) -> None:
    for n in range(30):  # so many that each node owns some
        write = {"key": f"any-view/{n:02}", "value": "v", "consistency": "CONSISTENCY_ALL"}
        rest.post("/api/v1/set", json=write).raise_for_status()
    open_live(page, f"/dashboard/nodes#node=http://{hosts[0]}&other=http://{hosts[1]}")
    view = page.get_by_role("region", name=hosts[0], exact=True)
    for name, shown in (("gossip", "Gossip map"), ("keys", "Key list"), ("raw", "Raw answer")):
        view.get_by_role("button", name=name).click()
        expect(view.get_by_label(shown)).to_be_visible()
        assert violations(page) == []


def test_axe_finds_nothing_in_an_outcome_or_a_question(page: Page) -> None:
    open_live(page, "/dashboard/data#prefix=axe")
    page.get_by_role("button", name="SET", exact=True).click()
    page.get_by_role("textbox", name="Key", exact=True).fill("axe")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_test_id("receipt")).to_be_visible()
    page.get_by_text("History (1)").click()
    assert violations(page) == []
    page.get_by_role("region", name="Key list").get_by_role("button", name="axe", exact=True).click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []


def test_axe_finds_nothing_in_the_palette(page: Page) -> None:
    open_live(page)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Commands")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_a_phone_shows_it_without_scrolling_sideways(
    browser: Browser, cluster: RunningCluster, path: str
) -> None:
    with watched_page(browser, cluster.envoy_url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        open_live(page, path)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        page.get_by_role("link", name="Data", exact=True).tap()
        expect(page.get_by_role("heading", name="Data", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_theme_is_chosen_and_kept(page: Page) -> None:
    open_live(page)
    page.get_by_role("button", name="Light theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_pages_are_reached_by_links_by_address_and_backwards(page: Page) -> None:
    open_live(page)
    for title in PAGES:
        page.get_by_role("navigation").get_by_role("link", name=title, exact=True).click()
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        expect(page).to_have_title(f"{title} · LimeDB")
    page.go_back()
    expect(page.get_by_role("heading", name="Data", level=1)).to_be_visible()


def test_the_palette_does_everything_by_keyboard(page: Page, hosts: list[str]) -> None:
    open_live(page)
    palette = page.get_by_role("dialog", name="Commands")
    page.keyboard.press("Control+k")
    page.keyboard.type("seed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Seed data", level=1)).to_be_visible()
    expect(palette).to_have_count(0)
    page.keyboard.press("Control+k")
    page.keyboard.type(hosts[3])
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name=hosts[3], exact=True)).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("a/key?")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("key-name")).to_have_text("a/key?")
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(palette).to_have_count(0)


def test_an_unknown_path_is_a_page_that_says_so(page: Page) -> None:
    page.goto("/dashboard/nonesuch")
    expect(page.get_by_role("heading", name="Not found", level=1)).to_be_visible()
    expect(page).to_have_title("Not found · LimeDB")
    main = page.get_by_role("main")
    expect(main).to_contain_text("/dashboard/nonesuch")
    expect(main.get_by_role("listitem")).to_have_count(len(PAGES))
    assert violations(page) == []
    main.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
