"""The past on the overview: charts of a time that the viewer chooses, and what happened."""

import json
import re
import urllib.parse

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import open_live, violations
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

CHARTS = ("Latency", "Requests a second", "CPU", "Memory", "Disk", "Event-loop lag", "Errors")
PATH = "/api/v1/cluster/history"


def past(rest: httpx.Client, **query: object) -> dict[str, list[dict[str, object]]]:
    """The answer to GetHistory."""
    answer = rest.get(PATH, params={name: str(value) for name, value in query.items()})
    answer.raise_for_status()
    found: dict[str, list[dict[str, object]]] = answer.json()
    return found


def wait_remembered(rest: httpx.Client) -> None:
    """Return once each node has a step: they keep one each ten seconds."""
    wait_for("a step", lambda: all(node["points"] for node in past(rest)["nodes"]))


def test_charts_show_the_time_that_is_chosen_and_survive_a_reload(page: Page, rest: httpx.Client) -> None:
    for n in range(20):
        rest.post("/api/v1/set", json={"key": f"past/{n}", "value": "v"}).raise_for_status()
    wait_remembered(rest)
    open_live(page)
    figures = page.get_by_role("region", name="Figures over time")
    for title in CHARTS:
        expect(figures.get_by_role("region", name=title, exact=True).locator("canvas")).to_be_visible()
    memory = figures.get_by_role("region", name="Memory", exact=True)
    expect(memory.get_by_role("list", name="Last values")).to_have_text(
        re.compile(r"(\s*\S+:\d+\.\d MiB){4}")
    )
    figures.get_by_role("button", name="6 h", exact=True).click()
    figures.get_by_label("Operation").select_option("set")
    figures.get_by_role("button", name="p50", exact=True).click()
    latency = figures.get_by_role("img", name="Latency (p50) of set of each node over time")
    expect(latency).to_be_visible()
    facts = urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).fragment)
    assert facts == {"range": ["6 h"], "operation": ["set"], "share": ["p50"]}
    page.reload()
    expect(latency).to_be_visible()
    expect(figures.get_by_role("button", name="6 h", exact=True)).to_have_attribute("aria-pressed", "true")
    assert violations(page) == []


def test_events_are_there_for_who_comes_later(page: Page, rest: httpx.Client, hosts: list[str]) -> None:
    open_live(page)
    page.get_by_role("button", name="24 h", exact=True).click()
    events = page.get_by_role("list", name="Events")
    for host in hosts:
        expect(events).to_contain_text(f"http://{host} was started")


def test_rest_has_each_nodes_figures_by_the_node_that_is_asked(rest: httpx.Client, hosts: list[str]) -> None:
    wait_remembered(rest)
    whole = past(rest, rangeSeconds=60)
    assert [node["url"] for node in whole["nodes"]] == sorted(f"http://{host}" for host in hosts)
    (alone,) = past(rest, rangeSeconds=60, nodes=f"http://{hosts[1]}", node=f"http://{hosts[0]}")["nodes"]
    assert alone["url"] == f"http://{hosts[1]}"
    points = json.loads(json.dumps(alone["points"]))
    assert points
    assert {"atMs", "cpuPercent", "memoryBytes", "loopLagMs", "operations"} <= points[0].keys()
    assert {int(point["atMs"]) % 10_000 for point in points} == {0}


@pytest.mark.parametrize("query", ["rangeSeconds=5", "rangeSeconds=90000", "stepSeconds=7", "nodes=x"])
def test_what_makes_no_sense_is_refused_in_words(rest: httpx.Client, query: str) -> None:
    answer = rest.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["message"].startswith(query.split("=")[0])) == (400, True)
