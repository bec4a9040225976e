"""Samples of a cluster that tests make up."""

from limedb.operator.console_values import NodeRow, Sample

A, B, C = (f"http://127.0.0.1:{port}" for port in (7001, 7002, 7003))


def node(url: str, **facts: object) -> NodeRow:
    """A live member, except for the given values."""
    return NodeRow(url, **{"virtual_nodes": 256, "generation": 1, **facts})  # type: ignore[arg-type]


def sample(*nodes: NodeRow, **facts: object) -> Sample:
    """A cluster of three live nodes, seen by the first, except for the given values."""
    told = {
        "cluster_id": "c1",
        "epoch": 1,
        "replicas": 3,
        "address": "127.0.0.1:7001",
        "node_url": A,
        **facts,
    }
    return Sample(nodes=nodes or (node(A), node(B), node(C)), **told)  # type: ignore[arg-type]
