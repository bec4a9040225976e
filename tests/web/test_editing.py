"""Editing a value in the dashboard loses nothing: neither bytes, nor its expiry, nor what others wrote."""

import base64
import json
import uuid
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_live, watched_page
from tests.support.clusters import RunningCluster
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

DATA = "/dashboard/data"
HOUR_MS = 3_600_000


@pytest.fixture
def key() -> str:
    return f"faces/{uuid.uuid4()}"


def store(rest: httpx.Client, key: str, value: str, **more: object) -> None:
    """Store a text on all replicas."""
    write = {"key": key, "value": value, "consistency": "CONSISTENCY_ALL", **more}
    rest.post("/api/v1/set", json=write).raise_for_status()


def stored(rest: httpx.Client, key: str) -> dict[str, Any]:
    """What a key has."""
    answer = rest.get(f"/api/v1/get/{key}", params={"consistency": "CONSISTENCY_QUORUM"})
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def opened(page: Page, key: str, label: str = "New value") -> None:
    """Open the editor of a key."""
    open_live(page, f"{DATA}#key={key}")
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_label(label)).to_be_visible()


def save(page: Page) -> None:
    """Save, and wait until that is done."""
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_visible()


def test_what_others_write_shows_at_once(page: Page, rest: httpx.Client, key: str) -> None:
    store(rest, key, "one")
    open_live(page, f"{DATA}#key={key}")
    value = page.get_by_test_id("value")
    expect(value).to_have_text("one")
    store(rest, key, "two")
    expect(value).to_have_text("two")
    rest.delete(f"/api/v1/del/{key}").raise_for_status()
    expect(page.get_by_text("It has no value.")).to_be_visible()
    store(rest, key, "three")
    expect(value).to_have_text("three")


def test_a_value_that_expires_is_counted_down_and_goes(page: Page, rest: httpx.Client, key: str) -> None:
    store(rest, key, "brief", ttlMs=5000)
    open_live(page, f"{DATA}#key={key}")
    expect(page.get_by_test_id("value").or_(page.get_by_text("It has no value."))).to_be_visible()
    expect(page.get_by_text("It has no value.")).to_be_visible()
    store(rest, key, "long", ttlMs=HOUR_MS)
    expect(page.get_by_test_id("countdown")).to_have_text("59 min")


def test_an_edit_keeps_the_expiry_unless_it_is_changed(page: Page, rest: httpx.Client, key: str) -> None:
    store(rest, key, "old", ttlMs=HOUR_MS)
    before = stored(rest, key)["expiresAtMs"]
    opened(page, key)
    page.get_by_label("New value").fill("new")
    save(page)
    assert (stored(rest, key)["value"], stored(rest, key)["expiresAtMs"]) == ("new", before)
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("It expires").select_option(label="after some time")
    page.get_by_label("TTL, seconds").fill("7200")
    save(page)
    after = stored(rest, key)
    assert after["value"] == "new"
    assert int(after["expiresAtMs"]) - int(before) > HOUR_MS / 2
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("It expires").select_option(label="never")
    save(page)
    assert int(stored(rest, key).get("expiresAtMs", 0)) == 0


def test_what_somebody_else_wrote_is_not_overwritten_unseen(page: Page, rest: httpx.Client, key: str) -> None:
    store(rest, key, "old")
    opened(page, key)
    page.get_by_label("New value").fill("mine")
    store(rest, key, "theirs")
    expect(page.get_by_text("It was changed since you opened it.")).to_be_visible()
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Show the new value").click()
    expect(page.get_by_test_id("value")).to_have_text("theirs")
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("New value").fill("mine")
    store(rest, key, "theirs again")
    page.get_by_role("button", name="Save over it").click()
    expect(page.get_by_test_id("value")).to_have_text("mine")
    assert stored(rest, key)["value"] == "mine"


def test_a_write_that_the_page_has_not_heard_of_is_not_overwritten_either(
    browser: Browser, cluster: RunningCluster, rest: httpx.Client, key: str
) -> None:
    """Nobody answers its watch, so the node decides."""
    store(rest, key, "old")
    with watched_page(browser, cluster.envoy_url, errors_allowed=True) as page:
        page.route("**/limedb.v1.KVService/Watch", lambda route: route.abort())
        opened(page, key)
        page.get_by_label("New value").fill("mine")
        page.route("**/limedb.v1.KVService/Get", lambda route: route.abort())
        store(rest, key, "theirs")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Somebody else was faster: nothing was saved.")).to_be_visible()
        assert stored(rest, key)["value"] == "theirs"
        page.unroute("**/limedb.v1.KVService/Get")
        expect(page.get_by_text("It was changed since you opened it.")).to_be_visible()


def test_a_value_that_expired_is_saved_anew_only_when_asked(page: Page, rest: httpx.Client, key: str) -> None:
    store(rest, key, "old")
    opened(page, key)
    page.get_by_label("New value").fill("mine")
    store(rest, key, "old", ttlMs=1)
    expect(page.get_by_text("It has expired, or was deleted, since you opened it.")).to_be_visible()
    assert rest.get(f"/api/v1/get/{key}").status_code == 404
    page.get_by_role("button", name="Save it again").click()
    expect(page.get_by_test_id("value")).to_have_text("mine")
    assert int(stored(rest, key).get("expiresAtMs", 0)) == 0


@pytest.mark.parametrize(
    "value",
    [
        "a\r\nb\r\n",
        "a\rb",
        "a\nb\n",
        " a  b\t",
        "\ufeffbom",
        "\u2028line\u0000zero",
        "a\u202eb\u200d",
        "é\ne\u0301",
    ],
)
def test_bytes_and_line_ends_are_kept(page: Page, rest: httpx.Client, key: str, value: str) -> None:
    store(rest, key, value)
    opened(page, key)
    field = page.get_by_label("New value")
    field.fill(field.input_value() + "!")
    save(page)
    assert stored(rest, key)["value"] == value + "!"


def test_lines_that_end_in_different_ways_are_edited_as_hex(page: Page, rest: httpx.Client, key: str) -> None:
    store(rest, key, "a\r\nb\nc")
    opened(page, key, "New value, in hex")
    field = page.get_by_label("New value, in hex")
    expect(field).to_have_value("61 0d 0a 62 0a 63")
    field.fill("61 0d 0a 62 0a ff")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("no text in UTF-8")
    field.fill("61 0d 0a 62 0a 64")
    save(page)
    assert stored(rest, key)["value"] == "a\r\nb\nd"


def test_json_is_indented_and_never_written_anew(page: Page, rest: httpx.Client, key: str) -> None:
    value = '{"n":12345678901234567890,"n":1e400,"e":"\\u00e9\\/","z":-0,"l":[],"o":{},"a":[1.50,true,null]}'
    store(rest, key, value)
    open_live(page, f"{DATA}#key={key}")
    expect(page.get_by_test_id("value")).to_have_text(
        '{\n  "n": 12345678901234567890,\n  "n": 1e400,\n  "e": "\\u00e9\\/",\n  "z": -0,\n  "l": [],\n'
        '  "o": {},\n  "a": [\n    1.50,\n    true,\n    null\n  ]\n}',
        use_inner_text=True,
    )
    page.get_by_role("button", name="Edit", exact=True).click()
    field = page.get_by_label("New value")
    expect(field).to_have_value(value)
    field.fill(value[:-1])
    expect(page.get_by_text("It is not valid JSON any more.")).to_be_visible()
    expect(page.get_by_role("button", name="Indent")).to_be_disabled()
    field.fill(value)
    page.get_by_role("button", name="Indent").click()
    expect(field).to_have_value(json_indented(value))
    save(page)
    assert stored(rest, key)["value"] == json_indented(value)


def json_indented(value: str) -> str:
    """A flat object indented by hand, with its parts as they are."""
    assert json.loads(value)
    start, end = value.index('"a":[') + 5, value.index("]}")
    items = value[start:end].split(",")
    parts = [*value[1 : start - 5].rstrip(",").split(","), "a"]
    lines = [f"  {part.replace(':', ': ', 1)}," for part in parts[:-1]]
    inner = ",\n".join(f"    {item}" for item in items)
    return "{\n" + "\n".join(lines) + '\n  "a": [\n' + inner + "\n  ]\n}"


def test_bytes_keep_their_expiry_too(page: Page, rest: httpx.Client, key: str) -> None:
    blob = base64.b64encode(b"\x00\xff").decode()
    rest.post("/api/v1/set", json={"key": key, "blob": blob, "ttlMs": HOUR_MS}).raise_for_status()
    before = stored(rest, key)["expiresAtMs"]
    opened(page, key, "New value, in hex")
    page.get_by_label("New value, in hex").fill("0001")
    save(page)
    after = stored(rest, key)
    assert (base64.b64decode(after["blob"]), after["expiresAtMs"]) == (b"\x00\x01", before)


def test_who_leaves_a_draft_is_asked(page: Page, rest: httpx.Client, key: str) -> None:
    store(rest, key, "old")
    open_live(page, f"{DATA}#prefix={key}")
    page.get_by_role("region", name="Key list").get_by_role("button", name=key).click()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("New value").fill("draft")
    dialog = page.get_by_role("dialog", name="Leave without saving?")
    for leave in (lambda: page.get_by_role("link", name="Nodes").click(), page.go_back):
        leave()
        expect(dialog).to_be_visible()
        dialog.get_by_role("button", name="Cancel").click()
        expect(page.get_by_label("New value")).to_have_value("draft")
        assert "key=" in page.url
    page.get_by_role("link", name="Nodes").click()
    dialog.get_by_role("button", name="Leave").click()
    expect(page).to_have_title("Nodes · LimeDB")
    page.get_by_role("link", name="Data", exact=True).click()  # without a draft nobody asks
    expect(page).to_have_title("Data · LimeDB")
    assert stored(rest, key)["value"] == "old"


def test_a_value_that_changed_meanwhile_is_not_deleted_unseen(
    page: Page, rest: httpx.Client, key: str
) -> None:
    store(rest, key, "old")
    open_live(page, f"{DATA}#key={key}")
    page.get_by_role("button", name="Delete").click()
    store(rest, key, "new")
    page.get_by_role("dialog", name="Delete this key?").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("it was not deleted")).to_be_visible()
    assert wait_for("the value", lambda: stored(rest, key))["value"] == "new"
