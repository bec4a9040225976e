"""The cluster that a client was opened for.

It owns the comparison of clusters: a node counts only if it belongs to this one, whatever its name. It must
never follow a node into another cluster: keys read in one would be written into the other.

Tested in tests/client/test_two_clusters.py.
"""

from limedb.errors import WrongClusterError
from limedb.wire.cluster_header import Metadata, naming


class AskedCluster:
    """id: the cluster's; empty until the first node answers, unless it was given."""

    def __init__(self, cluster_id: str = "") -> None:
        self.id = cluster_id

    @property
    def metadata(self) -> Metadata:
        """The metadata of calls, by which nodes of another cluster refuse them."""
        return naming(self.id)

    def misfit(self, node_url: str, cluster_id: str) -> WrongClusterError | None:
        """Return why a node of that cluster doesn't count; None: it does. If no cluster was given, the first
        node decides.
        """
        self.id = self.id or cluster_id
        return None if cluster_id == self.id else WrongClusterError(node_url, cluster_id, self.id)
