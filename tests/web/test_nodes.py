"""Any node's own view, alone and beside another's."""

import json
import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import open_live

pytestmark = pytest.mark.cluster

NODES = "/dashboard/nodes"


def view_of(page: Page, host: str) -> Locator:
    return page.get_by_role("region", name=host, exact=True)


def test_the_switcher_shows_each_nodes_own_figures(page: Page, hosts: list[str]) -> None:
    open_live(page, NODES)
    for host in hosts:
        page.get_by_label("Node", exact=True).select_option(label=host)
        storage = view_of(page, host).get_by_role("region", name="Storage")
        expect(storage).to_contain_text("lmdb")
        expect(storage).to_contain_text(f"{host}.lmdb")
        expect(view_of(page, host).get_by_role("region", name="Process")).to_contain_text("active")


def test_the_gossip_map_is_the_nodes_own(page: Page, hosts: list[str]) -> None:
    open_live(page, f"{NODES}#node=http://{hosts[2]}")
    view = view_of(page, hosts[2])
    view.get_by_role("button", name="gossip").click()
    expect(view.get_by_role("img", name="Gossip map").locator("line")).to_have_count(3)
    rows = view.get_by_role("region", name="Gossip").get_by_role("row")
    expect(rows).to_have_count(5)
    expect(rows.filter(has_text=hosts[2])).to_contain_text("itself")


def test_raw_answers_are_those_of_rest(page: Page, rest: httpx.Client, hosts: list[str]) -> None:
    open_live(page, f"{NODES}#node=http://{hosts[3]}")
    view = view_of(page, hosts[3])
    view.get_by_role("button", name="raw").click()
    raw = view.get_by_test_id("raw")
    expect(raw).to_contain_text('"nodeUrl"')
    told = rest.get("/api/v1/cluster/state", params={"node": f"http://{hosts[3]}"}).json()
    assert json.loads(raw.inner_text()).keys() == told.keys()
    view.get_by_role("button", name="health").click()
    expect(raw).to_contain_text('"limedb-node"')
    assert json.loads(raw.inner_text())["nodeUrl"] == f"http://{hosts[3]}"


def test_a_nodes_own_keys_are_what_it_holds(page: Page, rest: httpx.Client, hosts: list[str]) -> None:
    # More than a page of them at each node, whatever other tests have left; and at ALL, so that no copy is on
    # its way while the list is compared.
    for n in range(60):
        write = {"key": f"!own/{n:02}", "value": "v", "consistency": "CONSISTENCY_ALL"}
        assert rest.post("/api/v1/set", json=write).text == "OK"
    held = rest.get("/api/v1/keys", params={"node": f"http://{hosts[0]}", "pageSize": 25}).json()["keys"]
    open_live(page, f"{NODES}#node=http://{hosts[0]}")
    view = view_of(page, hosts[0])
    view.get_by_role("button", name="keys").click()
    expect(view.get_by_role("region", name="Key list").locator("tbody tr")).to_have_count(len(held))
    assert view.locator("tbody button").all_inner_texts() == [entry["key"] for entry in held]


def test_two_nodes_stand_side_by_side(page: Page, hosts: list[str]) -> None:
    open_live(page, NODES)
    page.get_by_label("Node", exact=True).select_option(label=hosts[0])
    page.get_by_label("Side by side with").select_option(label=hosts[1])
    left, right = view_of(page, hosts[0]), view_of(page, hosts[1])
    for view, host in ((left, hosts[0]), (right, hosts[1])):
        expect(view.get_by_role("region", name="Storage")).to_contain_text(f"{host}.lmdb")
    one, other = left.bounding_box(), right.bounding_box()
    assert one is not None
    assert other is not None
    assert (one["y"], one["width"]) == (other["y"], other["width"])
    assert one["x"] + one["width"] <= other["x"]
    expect(page).to_have_url(re.compile("#node=.*&other="))
