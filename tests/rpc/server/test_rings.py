"""The ring in its answer."""

import pytest
from google.protobuf.json_format import MessageToDict

from limedb.core.ring import TOKENS, Ring
from limedb.rpc.server.rings import ring_response

URLS = [f"http://node{i}:8484" for i in (1, 2, 3, 4)]


def told(virtual_nodes: int) -> dict:
    return MessageToDict(
        ring_response(Ring(URLS, virtual_nodes), URLS[0]), always_print_fields_with_no_presence=True
    )


def test_the_ring_has_the_names_that_it_always_had() -> None:
    ring = told(8)
    assert set(ring) == {
        "totalNodes", "virtualNodes", "virtualNodesPerNode", "virtualNodeDistribution", "currentNode",
        "allNodes", "ranges", "rangesDegrees",
    }  # fmt: skip
    assert (ring["totalNodes"], ring["virtualNodes"], ring["virtualNodesPerNode"]) == (4, 32, 8)
    assert ring["allNodes"] == URLS
    assert ring["virtualNodeDistribution"] == dict.fromkeys(URLS, 8)
    assert set(ring["ranges"][URLS[0]][0]) == {"start", "end", "hash", "size"}
    assert set(ring["rangesDegrees"][URLS[0]][0]) == {
        "startHash", "endHash", "hash", "startDegrees", "endDegrees", "sizeDegrees", "sizeHash",
    }  # fmt: skip


@pytest.mark.parametrize("virtual_nodes", [0, 1, 256])
def test_the_ranges_cover_the_circle_once(virtual_nodes: int) -> None:
    ring = told(virtual_nodes)
    ranges = [r for owned in ring["ranges"].values() for r in owned]
    arcs = [r for owned in ring["rangesDegrees"].values() for r in owned]
    assert sum(r["size"] for r in ranges) == pytest.approx(TOKENS)
    assert [r["sizeHash"] for r in arcs] == [r["size"] for r in ranges]
    assert sum(r["sizeDegrees"] for r in arcs) == pytest.approx(360)
    assert all(0 <= r["startDegrees"] <= 360 and 0 <= r["endDegrees"] <= 360 for r in arcs)
    assert {r["start"] for r in ranges} == {r["end"] for r in ranges}


def test_a_node_that_is_not_on_the_ring_owns_nothing() -> None:
    response = ring_response(Ring(URLS[1:], 8), URLS[0])
    assert (response.virtual_nodes_per_node, URLS[0] in response.all_nodes) == (0, False)
    assert URLS[0] not in response.ranges
