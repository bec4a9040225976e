"""What an operator does from the dashboard: changes are planned first, roles hold, a switch allows none."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import TimeoutError as TooLateError

from tests.support.browser import open_live, violations, watched_page
from tests.support.clusters import USUAL, Node, RunningCluster, limedb, read_cluster, running_cluster
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

CHANGE_MS = 60_000
"""What a change may take on a busy machine."""
PLAN_MS = 2_000
"""In which a page shows a plan that it has."""


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster of three nodes, besides those that tests add and take away."""
    with running_cluster(tmp_path_factory.mktemp("operated"), nodes=3, env=USUAL) as running:
        yield running


@pytest.fixture
def added(operated: RunningCluster) -> Node:
    """One member more, which a test takes away."""
    node = read_cluster(operated.folder).add()
    wait_for("the new member", lambda: members(operated).get(node.url) == "normal", limit=60)
    return node


@pytest.fixture
def console(browser: Browser, operated: RunningCluster) -> Iterator[Page]:
    """A page whose calls may be refused."""
    with watched_page(browser, operated.envoy_url, errors_allowed=True) as page:
        yield page


def operate(page: Page, url: str) -> Locator:
    """The view of a node in which it is operated."""
    open_live(page, f"/dashboard/nodes#node={url}")
    view = page.get_by_role("region", name=url.removeprefix("http://"), exact=True)
    view.get_by_role("button", name="operate", exact=True).click()
    return view


def members(cluster: RunningCluster) -> dict[str, str]:
    """The standing of each member, by URL."""
    found = httpx.get(f"{cluster.envoy_url}/api/v1/cluster/state").json()["members"]
    return {member["url"]: member["standing"] for member in found}


def test_a_plan_changes_nothing_until_it_is_confirmed(console: Page, operated: RunningCluster) -> None:
    url, before = operated.nodes[2].url, members(operated)
    view = operate(console, url)
    view.get_by_role("button", name="Decommission…").click()
    plan = console.get_by_role("dialog", name="Decommission?")
    expect(plan).to_contain_text("Nothing has been changed yet")
    expect(plan.get_by_role("row").filter(has_text=url.removeprefix("http://"))).to_contain_text("0.0%")
    assert violations(console) == []
    plan.get_by_role("button", name="Cancel", exact=True).click()
    expect(plan).to_have_count(0)
    assert members(operated) == before


def test_a_node_leaves_once_its_plan_is_confirmed(
    console: Page, operated: RunningCluster, added: Node
) -> None:
    left = len(members(operated)) - 1
    view = operate(console, added.url)
    view.get_by_role("button", name="Decommission…").click()
    console.get_by_role("dialog").get_by_role("button", name="Decommission", exact=True).click()
    expect(view.get_by_text(": begun")).to_be_visible()
    expect(view.get_by_role("button", name="Decommission…")).to_have_count(0, timeout=CHANGE_MS)
    console.get_by_role("link", name="Overview").click()
    expect(console.get_by_label("Summary")).to_contain_text(f"of {left}", timeout=CHANGE_MS)
    events = console.get_by_role("list", name="Events")
    expect(events).to_contain_text(f"{added.url} is no longer a member", timeout=CHANGE_MS)


def test_a_dead_node_is_removed(console: Page, operated: RunningCluster, added: Node) -> None:
    left = len(members(operated)) - 1
    operated.kill(added.name)
    view = operate(console, added.url)
    remove, plan = view.get_by_role("button", name="Remove…"), console.get_by_role("dialog", name="Remove?")
    expect(remove).to_be_visible(timeout=CHANGE_MS)
    wait_for("a majority to take it for dead", lambda: is_planned(remove, plan))
    plan.get_by_role("button", name="Remove", exact=True).click()
    console.get_by_role("link", name="Overview").click()
    expect(console.get_by_label("Summary")).to_contain_text(f"of {left}", timeout=CHANGE_MS)


def is_planned(action: Locator, plan: Locator) -> bool:
    """Whether a plan is shown after a click: a node that hasn't noticed the death yet refuses."""
    with action.page.expect_response(re.compile("AdminService/Remove")) as answer:
        action.click()
    answer.value.finished()
    try:
        plan.wait_for(timeout=PLAN_MS)
    except TooLateError:
        return False
    return True


def test_a_repair_shows_how_far_it_is(console: Page, operated: RunningCluster) -> None:
    view = operate(console, operated.nodes[0].url)
    repair = view.get_by_role("region", name="Repair")
    repair.get_by_role("button", name="Repair", exact=True).click()
    expect(repair.get_by_role("status")).to_contain_text("done: ", timeout=CHANGE_MS)
    expect(repair.get_by_role("progressbar", name="Ranges compared")).to_have_attribute(
        "aria-valuenow", "100"
    )


def test_a_page_that_is_read_only_changes_nothing(console: Page, operated: RunningCluster) -> None:
    view = operate(console, operated.nodes[0].url)
    switch = console.get_by_role("button", name="Read only", exact=True)
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(view.get_by_role("button", name="Decommission…")).to_be_disabled()
    expect(view.get_by_role("button", name="Repair", exact=True)).to_be_disabled()
    console.get_by_role("link", name="Data", exact=True).click()
    console.get_by_role("button", name="SET", exact=True).click()
    console.get_by_role("textbox", name="Key", exact=True).fill("read-only")
    run = console.get_by_role("button", name="Run", exact=True)
    expect(run).to_be_disabled()
    console.reload()
    console.get_by_role("button", name="DEL", exact=True).click()
    console.get_by_role("textbox", name="Key", exact=True).fill("read-only")
    expect(run).to_be_disabled()
    console.get_by_role("button", name="GET", exact=True).click()
    expect(run).to_be_enabled()
    console.get_by_role("link", name="Seed data").click()
    expect(console.get_by_role("button", name="Write 1,000 keys")).to_be_disabled()
    assert violations(console) == []
    switch.click()
    expect(console.get_by_role("button", name="Write 1,000 keys")).to_be_enabled()


def test_a_draft_that_is_open_is_not_saved_while_the_page_is_read_only(
    console: Page, operated: RunningCluster
) -> None:
    with httpx.Client(base_url=operated.envoy_url) as rest:
        rest.post("/api/v1/set", json={"key": "draft", "value": "old"}).raise_for_status()
        open_live(console, "/dashboard/data#key=draft")
        console.get_by_role("button", name="Edit").click()
        console.get_by_role("textbox", name="Value").last.fill("new")
        console.get_by_role("button", name="Read only", exact=True).click()
        console.get_by_role("button", name="Save").click()
        expect(console.get_by_role("alert")).to_contain_text("the dashboard is read-only")
        assert rest.get("/api/v1/get/draft").json()["value"] == "old"


def test_who_lacks_the_role_is_refused_by_its_name(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_cluster(tmp_path_factory.mktemp("roles"), nodes=2, auth=True) as cluster:
        shown = ("--target", cluster.envoy_address, "--token-file", str(cluster.folder / "root.token"))
        token = limedb("admin", "user", "add", "reader", "--role", "read", *shown).stdout.strip()
        with watched_page(browser, cluster.envoy_url, errors_allowed=True) as page:
            page.goto(f"/dashboard/nodes#node={cluster.nodes[1].url}")
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Sign in").click()
            view = page.get_by_role("region", name=cluster.nodes[1].url.removeprefix("http://"), exact=True)
            view.get_by_role("button", name="operate", exact=True).click()
            view.get_by_role("button", name="Decommission…").click()
            expect(view.get_by_role("alert")).to_contain_text("operator")
        assert members_of(cluster) == 2


def members_of(cluster: RunningCluster) -> int:
    """How many members a cluster has that asks for tokens."""
    shown = ("--target", cluster.envoy_address, "--token-file", str(cluster.folder / "root.token"))
    return len(limedb("status", "-o", "raw", *shown).stdout.splitlines())
