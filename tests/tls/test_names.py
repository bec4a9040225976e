"""The names by which certificates say which node their holder is."""

import pytest

from limedb.tls.names import SUFFIX, node_name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://node1:8484", "8484.node1" + SUFFIX),
        ("http://Node1.example.com:1", "1.node1.example.com" + SUFFIX),
        ("http://node1.:8484", "8484.node1" + SUFFIX),
        ("http://127.0.0.1:7001", "7001.127.0.0.1" + SUFFIX),
        ("http://[::1]:7001", "7001.0000-0000-0000-0000-0000-0000-0000-0001.ipv6" + SUFFIX),
    ],
)
def test_a_node_has_one_name(url: str, name: str) -> None:
    assert node_name(url) == name


def test_nodes_of_one_host_have_different_names() -> None:
    assert len({node_name(f"http://localhost:{port}") for port in range(1, 100)}) == 99


@pytest.mark.parametrize("url", ["", "node1:8484", "http://node1", f"http://{'n' * 240}:8484"])
def test_what_has_no_name_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"node's URL|too long"):
        node_name(url)
