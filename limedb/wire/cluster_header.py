"""The header in which a client names the cluster for which its calls are meant.

It owns the header's name and form. It must never decide whether a node serves a call.

Tested in tests/client/test_two_clusters.py.
"""

from collections.abc import Iterable

HEADER = "limedb-cluster"
"""The cluster's id, 16 hex digits. Absent: the caller takes any cluster."""

Metadata = tuple[tuple[str, str], ...]


def naming(cluster_id: str) -> Metadata:
    """Return the metadata of calls for a cluster; empty for "": any."""
    return ((HEADER, cluster_id),) if cluster_id else ()


def named_in(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Return the cluster for which a call is meant; empty: any."""
    for name, value in metadata or ():
        if name == HEADER:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return ""
