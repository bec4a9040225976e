"""What the launcher asks of a node."""

from limedb.rpc.calls import ClusterState, node_client


def fetch_state(address: str, timeout: float) -> ClusterState:
    """The cluster as the node at address (host:port) sees it. UnavailableError, RequestTimeoutError."""
    with node_client(address, timeout) as node:
        return node.state()
