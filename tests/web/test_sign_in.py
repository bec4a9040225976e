"""The dashboard of a cluster that asks for tokens: it lets in, keeps quiet about the token, and out again."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.support.browser import watched_page
from tests.support.clusters import RunningCluster, limedb, running_cluster

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    with running_cluster(tmp_path_factory.mktemp("asking"), nodes=2, auth=True) as running:
        yield running


def user(cluster: RunningCluster, *arguments: str) -> str:
    options = ("--target", cluster.envoy_address, "--token-file", str(cluster.folder / "root.token"))
    done = limedb("admin", "user", *arguments, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def visitor(browser: Browser, asking: RunningCluster) -> Iterator[Page]:
    """A page of a browser that knows no token. The console may report refused calls."""
    with watched_page(browser, asking.envoy_url, errors_allowed=True) as page:
        yield page


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_a_visitor_signs_in_and_out(visitor: Page, asking: RunningCluster) -> None:
    token = user(asking, "add", "visitor", "--role", "admin", "--role", "operator")
    requests: list[Request] = []
    visitor.on("request", lambda request: requests.append(request))
    visitor.goto("/dashboard/nodes")
    expect(visitor.get_by_role("heading", name="Sign in to LimeDB")).to_be_visible()
    sign_in(visitor, "limedb_visitor.wrong")
    expect(visitor.get_by_role("alert")).to_contain_text("not valid")
    sign_in(visitor, token)
    expect(visitor.get_by_role("status")).to_contain_text("live from")
    visitor.reload()
    expect(visitor.get_by_role("status")).to_contain_text("live from")
    assert not [request.url for request in requests if token in request.url or "limedb_" in request.url]
    assert visitor.evaluate("document.cookie + JSON.stringify(localStorage)").find(token) < 0
    assert token not in visitor.url
    visitor.get_by_role("button", name="Sign out").click()
    expect(visitor.get_by_label("Token")).to_be_visible()
    visitor.reload()
    expect(visitor.get_by_label("Token")).to_be_visible()
    assert token not in visitor.evaluate("JSON.stringify(sessionStorage)")


def test_a_revoked_token_leads_back_to_the_sign_in(visitor: Page, asking: RunningCluster) -> None:
    token = user(asking, "add", "leaver", "--role", "read")
    visitor.goto("/")
    sign_in(visitor, token)
    expect(visitor.get_by_role("status")).to_contain_text("live from")
    user(asking, "delete", "leaver")
    expect(visitor.get_by_label("Token")).to_be_visible(timeout=30_000)
    expect(visitor.get_by_role("alert")).to_contain_text("not valid")


def test_another_tab_asks_again(browser: Browser, asking: RunningCluster) -> None:
    token = user(asking, "add", "tabs", "--role", "read")
    with watched_page(browser, asking.envoy_url, errors_allowed=True) as page:
        page.goto("/")
        sign_in(page, token)
        expect(page.get_by_role("status")).to_contain_text("live from")
        other = page.context.new_page()
        other.goto("/")
        expect(other.get_by_label("Token")).to_be_visible()


def test_a_page_that_waits_for_a_token_asks_nothing(visitor: Page, asking: RunningCluster) -> None:
    """Otherwise each open tab would fill the audit log."""
    visitor.goto("/")
    expect(visitor.get_by_label("Token")).to_be_visible()
    requests: list[Request] = []
    visitor.on("request", lambda request: requests.append(request))
    visitor.wait_for_timeout(4000)  # longer than any pause between two streams
    assert [request.url for request in requests] == []


def test_static_files_need_no_token_and_views_do(asking: RunningCluster) -> None:
    assert httpx.get(f"{asking.envoy_url}/dashboard/data").is_success
    assert httpx.get(f"{asking.envoy_url}/api/v1/health").is_success
    for path in ("cluster/state", "cluster/ring", "keys", "scan", "admin/status", "replicas/a"):
        assert httpx.get(f"{asking.envoy_url}/api/v1/{path}").status_code == 401
