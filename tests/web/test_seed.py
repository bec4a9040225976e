"""The generator of data."""

import json
import re
import uuid

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import open_live

pytestmark = pytest.mark.cluster

SEED = "/dashboard/seed"
SHAPES = {
    "users": ("user:", {"id", "first", "last", "email", "city", "since"}),
    "orders": ("order:", {"id", "customer", "state", "placed", "lines"}),
    "sessions": ("session:", {"user", "ip", "agent"}),
}


def scanned(rest: httpx.Client, prefix: str) -> list[dict[str, str]]:
    pages = rest.get("/api/v1/scan", params={"prefix": prefix}).text.splitlines()
    return [entry for page in pages for entry in json.loads(page)["entries"]]


@pytest.fixture
def prefix() -> str:
    return f"seed-{uuid.uuid4()}/"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_written_in_batches(page: Page, rest: httpx.Client, prefix: str, shape: str) -> None:
    open_live(page, SEED)
    page.get_by_role("button", name=shape).click()
    page.get_by_label("Count").fill("250")
    page.get_by_label("Batch size").select_option("100")
    page.get_by_label("Key prefix").fill(prefix)
    batches: list[str] = []
    page.on("request", lambda request: batches.append(request.url) if "BatchSet" in request.url else None)
    page.get_by_role("button", name="Write 250 keys").click()
    expect(page.get_by_test_id("seed-status")).to_have_text("done: 250 of 250 keys")
    assert len(batches) == 3
    entries = scanned(rest, prefix)
    start, fields = SHAPES[shape]
    assert len(entries) == 250
    assert all(entry["key"].startswith(prefix + start) for entry in entries)
    assert all(json.loads(entry["value"]).keys() == fields for entry in entries)
    page.get_by_role("button", name="Browse them").click()
    expect(page.get_by_role("region", name="Keys", exact=True).locator("tbody tr")).to_have_count(25)


def test_random_values_differ(page: Page, rest: httpx.Client, prefix: str) -> None:
    open_live(page, SEED)
    page.get_by_role("button", name="random").click()
    page.get_by_label("Count").fill("40")
    page.get_by_label("Key prefix").fill(prefix)
    page.get_by_role("button", name="Write 40 keys").click()
    expect(page.get_by_test_id("seed-status")).to_have_text("done: 40 of 40 keys")
    assert len({entry["value"] for entry in scanned(rest, prefix)}) == 40


def test_a_run_is_cancelled_with_what_it_wrote(page: Page, rest: httpx.Client, prefix: str) -> None:
    open_live(page, SEED)
    page.get_by_label("Count").fill("1000000")
    page.get_by_label("Batch size").select_option("100")
    page.get_by_label("Key prefix").fill(prefix)
    page.get_by_role("button", name="Write 1,000,000 keys").click()
    status = page.get_by_test_id("seed-status")
    expect(status).to_have_text(re.compile(r"running: [1-9][\d,]* of"))
    page.get_by_role("button", name="Cancel").click()
    expect(status).to_have_text(re.compile(r"cancelled: [\d,]+ of"))
    told = int(status.inner_text().split()[1].replace(",", ""))
    # A batch that was on its way may have been written, or not: there are two at a time.
    assert told <= len(scanned(rest, prefix)) <= told + 200
    expect(page.get_by_role("progressbar", name="Written")).to_be_visible()


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "many", "", "1000001"])
def test_a_count_that_is_none_is_not_begun(page: Page, count: str) -> None:
    open_live(page, SEED)
    page.get_by_label("Count").fill(count)
    expect(page.get_by_role("button", name=re.compile("^Write"))).to_be_disabled()
