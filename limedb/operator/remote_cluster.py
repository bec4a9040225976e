"""Calls of the launcher to a node.

Tested in tests/scenarios/test_led_astray.py and tests/launch/test_cluster.py.
"""

from limedb.operator.calls import ClusterState, node_client
from limedb.tls.target import Target


def fetch_state(address: Target | str, timeout: float) -> ClusterState:
    """Return the cluster as a node (host:port: without TLS) sees it. UnavailableError,
    RequestTimeoutError.
    """
    with node_client(address, timeout) as node:
        return node.state()


def fetch_problems(address: Target | str, timeout: float) -> tuple[str, ...]:
    """Return the problems that a node (host:port: without TLS) reports, its own and the members'.
    UnavailableError, RequestTimeoutError.
    """
    from limedb.operator.admin import admin_client  # seldom needed, and slow to load

    with admin_client(address, timeout) as node:
        return node.status().problems
