"""Whatever stands in a key or a value is shown as text, and does nothing."""

import uuid
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.support.browser import open_live, watched_page
from tests.support.clusters import RunningCluster

pytestmark = pytest.mark.cluster

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_key_and_a_value_are_only_text(page: Page, rest: httpx.Client, attack: str) -> None:
    dialogs: list[Dialog] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog), dialog.dismiss()))
    prefix = f"xss-{uuid.uuid4()}/"
    key = prefix + attack
    rest.post("/api/v1/set", json={"key": key, "value": attack}).raise_for_status()
    open_live(page, f"/dashboard/data#prefix={quote(prefix)}")
    page.get_by_role("region", name="Keys", exact=True).get_by_role("button", name=key, exact=True).click()
    expect(page.get_by_test_id("key-name")).to_have_text(key)
    expect(page.get_by_test_id("value")).to_have_text(attack)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text(key)
    page.keyboard.press("Escape")
    page.get_by_role("textbox", name="Key", exact=True).fill(key)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_test_id("outcome").get_by_test_id("value")).to_have_text(attack)
    open_live(page, "/")
    page.get_by_label("Where is a key?").fill(key)
    page.get_by_role("button", name="Locate").click()
    expect(page.get_by_text(key)).to_be_visible()
    assert page.locator("img[src=x], svg[onload], main script").count() == 0
    assert dialogs == []


def test_the_policy_stops_what_text_could_become(browser: Browser, cluster: RunningCluster) -> None:
    """Even where the pages' own code put HTML together, the browser would not take it."""
    with watched_page(browser, cluster.envoy_url, errors_allowed=True) as page:
        open_live(page)
        refused = page.evaluate(
            "() => { try { document.body.innerHTML = '<img src=x onerror=alert(1)>'; return ''; }"
            " catch (error) { return error.name; } }"
        )
    assert refused == "TypeError"
