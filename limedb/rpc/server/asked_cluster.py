"""Checks that a client's call reaches the cluster for which it is meant.

An address doesn't prove which cluster answers there: behind a tunnel, a port forward or a reassigned IP
address it may be another one whose nodes have the same names. So a client names its cluster, and a node of
another one refuses the call before it begins. A client that names none is served.

Tested in tests/client/test_two_clusters.py.
"""

from collections.abc import Callable

from limedb.errors import WrongClusterError
from limedb.rpc.server.behaviour import Context
from limedb.wire.cluster_header import named_in

MAX_ID = 64
"""Characters of a wrong id that the error repeats."""


class AskedCluster:
    """The check of a node. cluster_id: returns that of its cluster; empty: it belongs to none yet."""

    def __init__(self, node_url: str, cluster_id: Callable[[], str]) -> None:
        self._node_url, self._cluster_id = node_url, cluster_id

    def check(self, context: Context) -> None:
        """WrongClusterError: the call is meant for another cluster."""
        asked = named_in(context.invocation_metadata())
        if asked and asked != (own := self._cluster_id()):
            raise WrongClusterError(self._node_url, own, asked[:MAX_ID])
