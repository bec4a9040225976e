"""Keys and values on a page: nothing in them is obeyed, hidden, joined or moved."""

import uuid

import httpx
import pytest
from playwright.sync_api import Page, expect

from limedb.core.visible import visible
from tests.support.browser import open_live

pytestmark = pytest.mark.cluster

KEYS = (
    "txt.\u202egpj.exe",
    "two  blanks ",
    "a\nb\t\r",
    "zero\u200bwidth\u2060",
    "no\u00a0break\u2003",
    "esc\x1b[31m\x9b",
    "a->b != c fi ffi",
    "<img src=x onerror=alert(1)>",
    "日本　語 🍋 é e\u0301",
    "\ufeffbom\u00ad",
)


@pytest.mark.parametrize("tail", KEYS, ids=ascii)
def test_a_key_and_its_value_show_each_character(page: Page, rest: httpx.Client, tail: str) -> None:
    prefix = f"foreign/{uuid.uuid4()}/"
    key = prefix + tail
    rest.post("/api/v1/set", json={"key": key, "value": tail}).raise_for_status()
    open_live(page, f"/dashboard/data#prefix={prefix}")
    button = page.get_by_role("region", name="Key list").get_by_role("button")
    expect(button).to_have_count(1)
    assert button.evaluate("one => one.textContent") == visible(key)
    button.click()
    name = page.get_by_test_id("key-name")
    expect(name).to_be_visible()
    assert name.evaluate("one => one.textContent") == visible(key)
    drawn = name.locator("bdi")
    style = "one => (s => [s.whiteSpace, s.unicodeBidi, s.fontVariantLigatures])(getComputedStyle(one))"
    assert drawn.evaluate(style) == ["pre-wrap", "isolate-override", "none"]
    value = page.get_by_test_id("value")
    expect(value).to_be_visible()
    lines = "\n".join("\t".join(map(visible, line.split("\t"))) for line in tail.split("\n"))
    assert value.evaluate("one => one.textContent") == lines


def test_an_error_shows_foreign_text_so_too(page: Page) -> None:
    open_live(page, "/dashboard/data")
    page.get_by_role("textbox", name="Key", exact=True).fill("\u202e" + "x" * 5000)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("a key has 1 to 4096 bytes")
    assert "\u202e" not in str(page.get_by_test_id("outcome").text_content())
