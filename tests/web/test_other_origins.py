"""Pages of other origins attack a cluster, in a real browser: they read nothing, and nothing changes.

The pages are in the strongest place: on the machine itself, where none of the browser's rules for private
networks stands in the way. What each request is refused with: tests/envoy/test_web_guard.py.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from limedb.operator.admin import admin_client
from limedbpb.v1 import admin_pb2, kv_pb2
from tests.support.browser import running_browser
from tests.support.children import join
from tests.support.clusters import RunningCluster

pytestmark = pytest.mark.cluster

EVIL = "evil.example"
SECRET = "only-for-us"

HELPERS = """
const json = (body) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body });
const plain = (body, more) => ({ method: 'POST', mode: 'no-cors', body, ...more });
const asked = (url, init) => fetch(url, init).then((answer) => answer.text()).catch((error) => String(error));
const loaded = (element) => new Promise((done) => {
  element.onload = () => done('loaded');
  element.onerror = () => done('error');
  document.body.append(element);
});
const shown = (tag, src) => loaded(Object.assign(document.createElement(tag), { src }));
const made = (tag, parent, attributes) =>
  parent.appendChild(Object.assign(document.createElement(tag), attributes));
const submitted = async (action, enctype, name, value) => {
  const frame = made('iframe', document.body, { name: 'sink' });
  const form = made('form', document.body, { action, enctype, method: 'POST', target: 'sink' });
  made('input', form, { name, value, type: 'hidden' });
  const end = new Promise((done) => { frame.onload = () => done('loaded'); });
  form.submit();
  await end;
  try { return frame.contentDocument.body.innerText; } catch (error) { return String(error); }
};
const opened = (made) => new Promise((done) => {
  made.onopen = () => done('open');
  made.onerror = () => { made.close(); done('error'); };
});
"""


class Target(NamedTuple):
    """What is attacked. base: Envoy's URL; node: a member; key: of no value yet; kept: that of the secret."""

    base: str
    node: str
    key: str
    kept: str


def hex_of(message: bytes) -> str:
    """A message as the Connect protocol has it in a query."""
    return "".join(f"%{byte:02x}" for byte in message)


def attacks(target: Target) -> dict[str, str]:
    """Each attack by its name, as an expression of JavaScript whose value is what the page has learned."""
    base, node, key, kept = target
    rest, calls = f"{base}/api/v1", f"{base}/limedb.v1"
    write, leave = f"""'{{"key":"{key}","value":"evil"}}'""", f"""'{{"url":"{node}"}}'"""
    half, end = f"""'{{"key":"{key}","value":"'""", """'"}'"""
    frame = "new Uint8Array([0, 0, 0, 0, 0])"
    stored = hex_of(kv_pb2.SetRequest(key=key, value="evil").SerializeToString())
    removed = hex_of(admin_pb2.DecommissionRequest(url=node).SerializeToString())
    connect = "connect=v1&encoding=proto&message="
    form, web = "application/x-www-form-urlencoded", "application/grpc-web+proto"
    as_form = f"{{ headers: {{ 'content-type': '{form}' }} }}"
    return {
        "fetch: read": f"asked('{rest}/get/{kept}')",
        "fetch: scan": f"asked('{rest}/scan?prefix={kept}')",
        "fetch: scan, unread": f"asked('{rest}/scan', {{ mode: 'no-cors' }})",
        "fetch: cluster": f"asked('{rest}/cluster/state')",
        "fetch: write": f"asked('{rest}/set', json({write}))",
        "fetch: write as text": f"asked('{rest}/set', {{ method: 'POST', body: {write} }})",
        "fetch: write as text, unread": f"asked('{rest}/set', plain({write}))",
        "fetch: write without a type": f"asked('{rest}/set', plain(new Blob([{write}])))",
        "fetch: write as a form": f"asked('{rest}/set', plain({write}, {as_form}))",
        "fetch: write without a referrer": (
            f"asked('{rest}/set', plain({write}, {{ referrerPolicy: 'no-referrer' }}))"
        ),
        "fetch: delete": f"asked('{rest}/del/{kept}', {{ method: 'DELETE' }})",
        "fetch: decommission": f"asked('{rest}/admin/decommission', json({leave}))",
        "fetch: decommission as text": f"asked('{rest}/admin/decommission', plain({leave}))",
        "fetch: gossip as text": f"""asked('{base}/gossip', plain('{{"type":"GOSSIP_SYN"}}'))""",
        "fetch: gRPC-Web": (
            f"asked('{calls}.ClusterService/GetState', {{ method: 'POST', body: {frame},"
            f" headers: {{ 'content-type': '{web}' }} }})"
        ),
        "fetch: a call as text": f"asked('{calls}.ClusterService/GetState', plain({frame}))",
        "beacon: write": f"navigator.sendBeacon('{rest}/set', {write}), 'sent'",
        "form: write": f"submitted('{rest}/set', 'text/plain', {half}, {end})",
        "form: decommission": f"submitted('{rest}/admin/decommission', 'text/plain', {leave}, '')",
        "form: cancel": f"submitted('{rest}/admin/cancel', '{form}', '', '')",
        "form: repair": f"submitted('{rest}/admin/repair', 'multipart/form-data', '', '')",
        "image: a call that writes": f"shown('img', '{calls}.KVService/Set?{connect}{stored}')",
        "image: a call that decommissions": (
            f"shown('img', '{calls}.AdminService/Decommission?{connect}{removed}')"
        ),
        "script: the cluster": f"shown('script', '{rest}/cluster/state')",
        "events: watch": f"opened(new EventSource('{rest}/watch?key={kept}'))",
        "socket: watch": f"opened(new WebSocket('{rest.replace('http', 'ws')}/watch?key={kept}'))",
    }


NAMES = list(attacks(Target("", "", "", "")))


class Quiet(BaseHTTPRequestHandler):
    """An empty page at every path."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>evil</title><body></body>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def other_server() -> Iterator[int]:
    """The port of a web server of somebody else, for the time of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            join(thread)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For it, a name of somebody else leads to this machine, as by DNS rebinding."""
    with running_browser(f"--host-resolver-rules=MAP {EVIL} 127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def other_port() -> Iterator[int]:
    with other_server() as port:
        yield port


@pytest.fixture
def target(cluster: RunningCluster, rest: httpx.Client) -> Target:
    kept = str(uuid.uuid4())
    rest.post("/api/v1/set", json={"key": kept, "value": SECRET}).raise_for_status()
    return Target(cluster.envoy_url, cluster.nodes[1].url, str(uuid.uuid4()), kept)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose errors don't count."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def try_attack(page: Page, cluster: RunningCluster, target: Target, name: str) -> None:
    """Do it; then nothing is known to the page, and nothing has changed."""
    statuses: list[int] = []
    with (
        admin_client(cluster.nodes[0].address, 20) as admin,
        httpx.Client(base_url=cluster.envoy_url) as rest,
    ):
        before = admin.status()
        page.on("response", lambda answer: statuses.append(answer.status))
        script = f"async () => {{ {HELPERS}; return await ({attacks(target)[name]}); }}"
        with page.expect_response("**/set") if name.startswith("beacon") else nullcontext():
            learned = page.evaluate(script)
        assert SECRET not in learned
        assert "totalNodes" not in learned
        assert learned not in {"open", "OK"}
        assert rest.get(f"/api/v1/get/{target.key}").status_code == 404
        assert rest.get(f"/api/v1/get/{target.kept}").json()["value"] == SECRET
        after = admin.status()
        assert (after.epoch, after.change) == (before.epoch, before.change)
    assert set(statuses) <= {403, 404, 405}, "a request reached a node"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("host", [EVIL, "127.0.0.1"], ids=["another site", "another port"])
def test_a_page_of_another_origin_reads_and_changes_nothing(
    page: Page, cluster: RunningCluster, target: Target, other_port: int, host: str, name: str
) -> None:
    page.goto(f"http://{host}:{other_port}/")
    try_attack(page, cluster, target, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_whose_name_was_rebound_to_envoy_reads_and_changes_nothing(
    page: Page, cluster: RunningCluster, target: Target, name: str
) -> None:
    """To the browser, the page asks its own server. Here Envoy's answer to an unknown path stands for the
    page, so that its address is as near as that of what it asks.
    """
    own = f"http://{EVIL}:{urlsplit(target.base).port}"
    page.goto(f"{own}/nope")
    try_attack(page, cluster, target._replace(base=own), name)


def test_the_dashboard_opens_by_a_link_but_in_no_frame(
    page: Page, cluster: RunningCluster, other_port: int
) -> None:
    page.goto(f"http://{EVIL}:{other_port}/")
    url = cluster.envoy_url
    page.set_content(f'<a href="{url}/dashboard/data">go</a><iframe src="{url}/"></iframe>')
    framed = page.frame_locator("iframe")
    expect(framed.get_by_role("banner")).to_have_count(0)
    page.get_by_role("link", name="go").click()
    expect(page.get_by_role("banner").get_by_role("status")).to_contain_text("live from")


def test_a_rebound_name_shows_no_dashboard(page: Page, cluster: RunningCluster) -> None:
    answer = page.goto(f"http://{EVIL}:{urlsplit(cluster.envoy_url).port}/")
    assert answer is not None
    assert answer.status == 403
    assert "--server-name" in answer.text()
