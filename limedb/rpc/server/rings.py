"""The ring in ClusterService's answers, as a list of ranges and as arcs of a circle."""

from google.protobuf.struct_pb2 import ListValue

from limedb.core.ring import TOKENS, Ring, TokenRange
from limedbpb.v1 import cluster_pb2

DEGREES = 360.0


def ring_response(ring: Ring, own_url: str) -> cluster_pb2.GetRingResponse:
    """The whole ring; a node that isn't on it owns nothing.

    Hashes are decimal strings, for JSON has no 64-bit numbers. Sizes are numbers, as in the Go LimeDB: shares
    are computed from them, and 53 bits are enough for that.
    """
    response = cluster_pb2.GetRingResponse(
        total_nodes=len(ring.nodes),
        virtual_nodes=len(ring),
        virtual_nodes_per_node=ring.virtual_nodes.get(own_url, 0),
        current_node=own_url,
        all_nodes=ring.nodes,
    )
    for url in ring.nodes:
        response.virtual_node_distribution[url] = 0
    for url, owned in ring.ranges():
        response.virtual_node_distribution[url] += 1
        _append(response.ranges[url], _hashes(owned))
        _append(response.ranges_degrees[url], _arc(owned))
    return response


def _append(ranges: ListValue, fields: dict[str, str | float]) -> None:
    ranges.values.add().struct_value.update(fields)


def _hashes(owned: TokenRange) -> dict[str, str | float]:
    end = str(owned.end)
    return {"start": str(owned.start), "end": end, "hash": end, "size": float(owned.size)}


def _arc(owned: TokenRange) -> dict[str, str | float]:
    end = str(owned.end)
    return {
        "startHash": str(owned.start),
        "endHash": end,
        "hash": end,
        "sizeHash": float(owned.size),
        "startDegrees": _degrees(owned.start),
        "endDegrees": _degrees(owned.end),
        "sizeDegrees": _degrees(owned.size),
    }


def _degrees(tokens: int) -> float:
    return tokens / TOKENS * DEGREES
