"""Reading, writing and looking for keys."""

import base64
import re
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_live, watched_page
from tests.support.clusters import RunningCluster
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

DATA = "/dashboard/data"


@pytest.fixture
def key() -> str:
    return f"data/{uuid.uuid4()}"


@pytest.fixture
def run(page: Page) -> Callable[..., None]:
    """Fill in a command and run it."""

    def run(verb: str, key: str, value: str = "", **choices: str) -> None:
        page.get_by_role("button", name=verb, exact=True).click()
        page.get_by_label("Key", exact=True).get_by_role("textbox").or_(
            page.get_by_role("textbox", name="Key", exact=True)
        ).fill(key)
        if value:
            page.get_by_role("textbox", name="Value").fill(value)
        if "ttl" in choices:
            page.get_by_label("TTL, seconds").fill(choices["ttl"])
        if "level" in choices:
            page.get_by_label("Consistency").select_option(choices["level"])
        if "node" in choices:
            page.get_by_label("Ask node").select_option(label=choices["node"])
        page.get_by_role("button", name="Run", exact=True).click()
        if verb == "DEL":
            page.get_by_role("dialog", name="Delete this key?").get_by_role("button", name="Delete").click()

    return run


def test_on_a_phone_the_key_that_is_chosen_comes_into_view(
    browser: Browser, cluster: RunningCluster, key: str, rest: httpx.Client
) -> None:
    for n in range(30):
        rest.post("/api/v1/set", json={"key": f"{key}/{n:02}", "value": "v"}).raise_for_status()
    with watched_page(browser, cluster.envoy_url, viewport={"width": 390, "height": 844}) as page:
        open_live(page, f"{DATA}#prefix={key}")
        listed = page.get_by_role("region", name="Key list").get_by_role("button", name=f"{key}/00")
        expect(listed).to_be_in_viewport()
        expect(page.get_by_role("heading", name="Key", exact=True)).not_to_be_in_viewport()
        listed.click()
        expect(page.get_by_test_id("key-name")).to_be_in_viewport()
        expect(page.get_by_test_id("key-name")).to_have_text(f"{key}/00")


def test_set_get_and_del_with_receipts_and_a_history(
    page: Page, run: Callable[..., None], key: str, rest: httpx.Client
) -> None:
    open_live(page, DATA)
    outcome, receipt = page.get_by_test_id("outcome"), page.get_by_test_id("receipt")
    run("SET", key, "green", level="all")
    expect(outcome).to_contain_text("stored")
    expect(receipt).to_have_text(re.compile(r"version\d+ \(.*\)epoch1on disk at(\d) of \1 replicas"))
    assert rest.get(f"/api/v1/get/{key}").json()["value"] == "green"
    run("GET", key)
    expect(outcome.get_by_test_id("value")).to_have_text("green")
    run("DEL", key)
    expect(outcome).to_contain_text("deleted")
    run("DEL", key)
    expect(outcome).to_contain_text("it had no value")
    run("GET", key)
    expect(outcome).to_contain_text("key not found")
    page.get_by_text("History (5)").click()
    page.get_by_role("list", name="History").get_by_role("button").last.click()
    expect(page.get_by_role("textbox", name="Value")).to_have_value("green")


def test_a_ttl_is_kept_and_a_node_can_be_asked(
    page: Page, run: Callable[..., None], key: str, rest: httpx.Client, hosts: list[str]
) -> None:
    open_live(page, DATA)
    run("SET", key, "short", ttl="3600", node=hosts[2])
    expect(page.get_by_test_id("outcome")).to_contain_text("stored")
    owners = rest.get(f"/api/v1/replicas/{key}").json()["owners"]
    assert all(int(owner["expiresAtMs"]) > 0 for owner in owners if owner["hasRecord"])
    for wrong in ("soon", "0x10", "1e300", "-1", "3153600001"):
        run("SET", key, "never", ttl=wrong)
        expect(page.get_by_role("alert")).to_contain_text(
            "the TTL must be a number of seconds, up to 100 years"
        )


def test_what_the_server_refuses_is_said_in_its_words(page: Page, run: Callable[..., None]) -> None:
    open_live(page, DATA)
    run("GET", "x" * 5000)
    expect(page.get_by_role("alert")).to_contain_text("a key has 1 to 4096 bytes")


def test_keys_are_browsed_by_prefix_and_by_page(page: Page, rest: httpx.Client, key: str) -> None:
    keys = [f"{key}/{n:02}" for n in range(30)]
    writes = [{"key": name, "value": "v"} for name in keys]
    rest.post("/api/v1/batch/set", json={"writes": writes}).raise_for_status()
    open_live(page, DATA)
    page.get_by_label("Prefix").fill(f"{key}/")
    page.get_by_role("button", name="Search").click()
    table = page.get_by_role("region", name="Keys", exact=True).locator("tbody button")
    expect(table).to_have_text(keys[:25])
    page.get_by_role("button", name="Next").click()
    expect(table).to_have_text(keys[25:])
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_role("button", name="Previous").click()
    expect(table).to_have_text(keys[:25])


def test_one_nodes_own_keys_are_browsed(page: Page, rest: httpx.Client, key: str, hosts: list[str]) -> None:
    keys = [f"{key}/{n:02}" for n in range(20)]
    writes = [{"key": name, "value": "v"} for name in keys]  # at ALL: no copy is on its way then
    batch = {"writes": writes, "consistency": "CONSISTENCY_ALL"}
    rest.post("/api/v1/batch/set", json=batch).raise_for_status()
    held = [
        name
        for name in keys
        for owner in rest.get(f"/api/v1/replicas/{name}").json()["owners"]
        if owner["url"] == f"http://{hosts[0]}"
    ]
    open_live(page, f"{DATA}#prefix={key}/")
    page.get_by_label("Held by").select_option(label=hosts[0])
    page.get_by_role("button", name="Search").click()  # which leaves it as it is
    expect(page.get_by_role("region", name="Keys", exact=True).locator("tbody button")).to_have_text(held)


def test_a_value_is_seen_as_text_json_and_hex(page: Page, rest: httpx.Client, key: str) -> None:
    rest.post("/api/v1/set", json={"key": key, "value": '{"fruit":"lime"}'}).raise_for_status()
    open_live(page, f"{DATA}#key={key}")
    value = page.get_by_test_id("value")
    expect(value).to_have_text('{\n  "fruit": "lime"\n}')
    page.get_by_role("button", name="text", exact=True).click()
    expect(value).to_have_text('{"fruit":"lime"}')
    page.get_by_role("button", name="hex", exact=True).click()
    expect(value).to_contain_text("000000  7b 22 66 72")


def test_bytes_are_seen_and_edited_as_bytes(page: Page, rest: httpx.Client, key: str) -> None:
    rest.post(
        "/api/v1/set", json={"key": key, "blob": base64.b64encode(b"\x00\xff\x10").decode()}
    ).raise_for_status()
    open_live(page, f"{DATA}#key={key}")
    expect(page.get_by_test_id("value")).to_contain_text("00 ff 10")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("New value, in hex").fill("00 ff 1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("pairs of hex digits")
    page.get_by_label("New value, in hex").fill("00fe 2")
    page.get_by_label("New value, in hex").fill("00fe")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_test_id("value")).to_contain_text("00 fe")
    assert base64.b64decode(rest.get(f"/api/v1/get/{key}").json()["blob"]) == b"\x00\xfe"


def test_a_key_is_edited_and_its_replicas_are_shown(page: Page, rest: httpx.Client, key: str) -> None:
    write = {"key": key, "value": "old", "ttlMs": 3_600_000, "consistency": "CONSISTENCY_ALL"}
    rest.post("/api/v1/set", json=write).raise_for_status()
    open_live(page, f"{DATA}#key={key}")
    expect(page.get_by_test_id("value")).to_have_text("old")
    before = rest.get(f"/api/v1/replicas/{key}").json()["owners"]
    rows = page.get_by_role("region", name="Replicas").locator("tbody tr")
    expect(rows).to_have_count(len(before))
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("New value").fill("a new one")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_test_id("value")).to_have_text("a new one")
    expect(rows.filter(has_text="9 B").first).to_be_visible()  # the last copy may be on its way

    def whole() -> list[dict[str, Any]] | None:
        owners = rest.get(f"/api/v1/replicas/{key}").json()["owners"]
        return owners if len({owner["version"] for owner in owners}) == 1 else None

    after = wait_for("the new value is on all replicas", whole)
    assert after
    ends = [int(owners[0]["expiresAtMs"]) for owners in (before, after)]
    assert abs(ends[0] - ends[1]) < 2000  # it ends when it would have


def test_a_key_is_deleted_only_when_that_is_confirmed(page: Page, rest: httpx.Client, key: str) -> None:
    rest.post("/api/v1/set", json={"key": key, "value": "v"}).raise_for_status()
    open_live(page, f"{DATA}#key={key}&prefix={key}")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete this key?")
    expect(dialog).to_contain_text(key)
    dialog.get_by_role("button", name="Cancel").click()
    assert rest.get(f"/api/v1/get/{key}").is_success
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("It has no value.")).to_be_visible()
    expect(page.get_by_role("region", name="Replicas")).to_contain_text("a tombstone")
    expect(page.get_by_text("No keys here.")).to_be_visible()
    assert rest.get(f"/api/v1/get/{key}").status_code == 404
