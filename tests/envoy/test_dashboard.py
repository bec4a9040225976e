"""The dashboard's paths through a real Envoy: what a node is asked for, and how its answer is sent."""

import httpx
import pytest

from tests.envoy.gateway import Gateway


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/", ""),
        ("/?node={node}", ""),
        ("/dashboard/nodes", "dashboard/nodes"),
        ("/assets/a-1.js", "assets/a-1.js"),
        ("/assets/b%2Fc.js", "assets/b/c.js"),
        ("/assets/../secret", "assets/../secret"),
        ("/favicon.svg", "favicon.svg"),
    ],
)
def test_a_node_is_asked_for_the_path_as_it_was_written(gateway: Gateway, path: str, asked: str) -> None:
    node = gateway.nodes[0]
    url = f"http://{gateway.address}{path.format(node=node.url)}"
    answer = gateway.client.send(raw_request(gateway, url))
    assert (answer.status_code, answer.text) == (200, asked)
    assert answer.headers["content-type"] == "text/css"
    assert [call.request.path for n in gateway.nodes for call in n.asked("GetAsset")] == [asked]


def raw_request(gateway: Gateway, url: str) -> httpx.Request:
    """A request whose path the client leaves as it is."""
    request = gateway.client.build_request("GET", url)
    request.extensions["target"] = url.removeprefix(f"http://{gateway.address}").encode()
    return request


def test_only_the_dashboard_is_packed_and_bound_to_a_policy(gateway: Gateway) -> None:
    page = gateway.client.get("/assets/" + "a" * 1000, headers={"accept-encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    state = gateway.client.get("/api/v1/cluster/state", headers={"accept-encoding": "gzip"})
    assert not {"content-encoding", "content-security-policy"} & set(state.headers)
