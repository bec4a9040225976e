"""What the launcher asks of a node."""

from limedb.operator.calls import ClusterState, node_client


def fetch_state(address: str, timeout: float) -> ClusterState:
    """The cluster as the node at address (host:port) sees it. UnavailableError, RequestTimeoutError."""
    with node_client(address, timeout) as node:
        return node.state()


def fetch_problems(address: str, timeout: float) -> tuple[str, ...]:
    """What the node at address (host:port) says is wrong with it and the members. UnavailableError,
    RequestTimeoutError.
    """
    from limedb.operator.admin import admin_client  # seldom asked, and slow to load

    with admin_client(address, timeout) as node:
        return node.status().problems
