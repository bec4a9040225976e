"""Looks at one node of a local cluster: its answers, one after another.

It owns how long a look waits for an answer, and the results of the last one. If a node answers late, on a
busy machine, the next look waits twice as long: with the same time for each look, a node that always needs
longer would never appear, whatever time the caller has. It must never wait between two looks.
"""

import http.client
import ssl
import time

from limedb.errors import LimeDBError, RequestTimeoutError
from limedb.launch.records import Service
from limedb.operator.calls import ClusterState
from limedb.operator.remote_cluster import fetch_state

FIRST_SECONDS = 2.0
"""The time for the first answer; where no node runs, the call is refused at once."""
STUCK_SHARE = 0.5
"""How much of the caller's time a node that answers may take to serve, if others have exited: a sound one
first compares its clock with a peer's, for ten gossip intervals at most.
"""
LEAST_SECONDS = 0.05
"""The time for an answer once the caller's time is over."""


class Look:
    """Looks at a node. envoy: must reach it too; None: there is none. seconds: the caller's time, which
    begins now.

    state: the node's last answer; None: none, or it refuses now. is_reached: Envoy reached it at that look.
    is_late: the last look got no answer in time.
    """

    def __init__(self, node: Service, envoy: Service | None, seconds: float) -> None:
        self.node, self._envoy, self._end = node, envoy, time.monotonic() + seconds
        self._stuck_seconds = seconds * STUCK_SHARE
        self._patience = FIRST_SECONDS
        self.state: ClusterState | None = None
        self.is_late = self.is_reached = False
        self._idle_since = 0.0

    def finds_ready(self, count: int, whole: bool) -> bool:
        """Return whether the node serves, sees `count` members alive, and is reached by Envoy; if these are
        the whole cluster, also no other members and no change of the topology.
        """
        serves, state = self.finds_serving(), self.state
        if not serves or state is None:
            return False
        is_whole = state.total_nodes == state.active_nodes == count and state.is_settled
        if state.active_nodes < count or (whole and not is_whole):
            return False
        self.is_reached = self._envoy is None or self._reaches(self._envoy)
        return self.is_reached

    def finds_serving(self) -> bool:
        """Return whether the node serves."""
        self._ask()
        is_serving = self.is_serving and not self.is_late
        self._idle_since = 0.0 if is_serving or self.state is None else self._idle_since or time.monotonic()
        return is_serving

    def finds_watchable(self) -> bool:
        """Return whether watches can count on the node, or it refuses to answer."""
        self._ask()
        return not self.is_late and not self.watch_wait_ms

    @property
    def is_serving(self) -> bool:
        """Whether it served at the last look."""
        state = self.state
        return state is not None and state.status == "active" and state.node_url == self.node.url

    @property
    def is_stuck(self) -> bool:
        """Whether it has answered for STUCK_SHARE of the caller's time that it doesn't serve."""
        return bool(self._idle_since) and time.monotonic() - self._idle_since > self._stuck_seconds

    @property
    def watch_wait_ms(self) -> int:
        """The milliseconds until watches can count on it, at the last look."""
        return self.state.watch_wait_ms if self.state else 0

    def reason(self) -> str:
        """Return why it wasn't ready at the last look, in its own words; empty: it did not answer."""
        state = self.state
        if state is None:
            return ""
        if state.node_url != self.node.url:
            return f"{state.node_url} answers at its address"
        if state.status != "active":
            return state.problem or f"it is {state.status}"
        if state.active_nodes < state.total_nodes:
            return f"it serves, but sees {state.active_nodes} of {state.total_nodes} members of the cluster"
        if not state.is_settled:
            return "it serves, but a change of the members is still under way (limedb admin status)"
        if self._envoy is not None and not self.is_reached:
            return "it serves, but Envoy doesn't reach it"
        return f"it serves, and sees {state.active_nodes} members of the cluster"

    def _ask(self) -> None:
        self.is_late = False
        try:
            self.state = fetch_state(self.node.target, self._limit())
        except RequestTimeoutError:
            self._was_late()
        except LimeDBError:
            self.state = None

    def _reaches(self, envoy: Service) -> bool:
        """Return whether a request through Envoy that is pinned to the node succeeds, or Envoy doesn't know
        the node: clients reach one that was added later through the others.
        """
        connection = _connection(envoy, self._limit())
        try:
            connection.request("GET", "/api/v1/health", headers={"x-limedb-node": self.node.url})
            return connection.getresponse().status in (http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND)
        except TimeoutError:
            self._was_late()
            return False
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _limit(self) -> float:
        return max(LEAST_SECONDS, min(self._patience, self._end - time.monotonic()))

    def _was_late(self) -> None:
        self.is_late = True
        self._patience *= 2


def _connection(envoy: Service, timeout: float) -> http.client.HTTPConnection:
    address, tls = envoy.target.address, envoy.target.tls
    if tls is None:
        return http.client.HTTPConnection(address, timeout=timeout)
    context = ssl.create_default_context(cafile=tls.ca)
    return http.client.HTTPSConnection(address, timeout=timeout, context=context)
