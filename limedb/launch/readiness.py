"""The readiness of a local cluster: all nodes see each other, and Envoy reaches each of them.

It owns the checks and the waiting. It must never start or stop a process.
"""

import http.client
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from limedb.aio.retrying import Pauses
from limedb.core.quorum import majority
from limedb.errors import LaunchError, LimeDBError, NotReadyError
from limedb.launch.records import Folder, Launch, Service
from limedb.operator.remote_cluster import fetch_state

FIRST_LOOK, LONGEST_LOOK = 0.05, 0.5
"""Seconds between two checks; they grow."""
CALL_SECONDS = 2.0
"""The time for an answer: a busy machine answers late; where no node runs, the call is refused at once.
"""


def wait_ready(folder: Folder, launch: Launch, starts: Mapping[Path, int], seconds: float) -> None:
    """Return once the nodes that run or were started know each other and Envoy reaches them.

    starts: the byte of its log at which each process of this start began. NotReadyError: it took over
    `seconds`, or one of them died, and the others take requests already or are too few to do so.
    """
    end = time.monotonic() + seconds
    waiting = [node for node in launch.nodes if node.log in starts or node.state == "running"]
    pauses = Pauses(FIRST_LOOK, LONGEST_LOOK)
    count, whole = len(waiting), len(waiting) == len(launch.nodes)
    while waiting := [node for node in waiting if not _is_ready(node, launch.envoy, count, whole)]:
        dead = [each for each in launch.services if each.log in starts and each.state == "dead"]
        if (dead and _is_all_that_comes(launch)) or time.monotonic() > end:
            raise _not_ready(folder, launch, starts, dead, waiting, seconds)
        time.sleep(min(pauses.pause(), max(0.0, end - time.monotonic())))


def _is_all_that_comes(launch: Launch) -> bool:
    """Return whether no further node will serve: all that run do, or they aren't a majority of all."""
    running = [node for node in launch.nodes if node.state == "running"]
    has_ended = launch.envoy is not None and launch.envoy.state == "dead"
    return has_ended or len(running) < majority(len(launch.nodes)) or all(map(_serves, running))


def _not_ready(
    folder: Folder,
    launch: Launch,
    starts: Mapping[Path, int],
    dead: Sequence[Service],
    waiting: Sequence[Service],
    seconds: float,
) -> NotReadyError:
    names = ", ".join(service.name for service in dead or waiting)
    lines = [f"{names} ended while it started" if dead else f"{names} not ready within {seconds:g} s"]
    for service in (*dead, *(node for node in waiting if node not in dead)):
        reason = _reason(service, launch.envoy)
        if reason in (_ENDED, _SILENT):
            tail = folder.tail(service, starts.get(service.log, 0))
            reason += f"; the end of {service.log}:\n{tail or '(nothing)'}"
        lines.append(f"{service.name}: {reason}")
    has_ended = launch.envoy is not None and launch.envoy.state == "dead"
    serving = [node.name for node in launch.nodes if node.state == "running" and _serves(node)]
    return NotReadyError("\n".join(lines), () if has_ended else serving)


_ENDED, _SILENT = "it ended", "it doesn't answer"


def _reason(service: Service, envoy: Service | None) -> str:
    """Return why a node isn't ready: in its own words, if it answers."""
    if service.state == "dead":
        return _ENDED
    try:
        state = fetch_state(service.address, CALL_SECONDS)
    except LimeDBError:
        return _SILENT
    if state.node_url != service.url:
        return f"{state.node_url} answers at its address"
    if state.status != "active":
        return state.problem or f"it is {state.status}"
    if state.active_nodes < state.total_nodes:
        return f"it serves, but sees {state.active_nodes} of {state.total_nodes} members of the cluster"
    if not state.is_settled:
        return "it serves, but a change of the members is still under way (limedb admin status)"
    if envoy is not None and not _is_reached(service, envoy):
        return "it serves, but Envoy doesn't reach it"
    return f"it serves, and sees {state.active_nodes} members of the cluster"


def _serves(node: Service) -> bool:
    try:
        state = fetch_state(node.address, CALL_SECONDS)
    except LimeDBError:
        return False
    return state.status == "active" and state.node_url == node.url


def wait_watchable(nodes: Sequence[Service], seconds: float) -> None:
    """Return once all these nodes count for watches, except those that don't answer. LaunchError: it took
    over `seconds`.
    """
    pauses, end = Pauses(FIRST_LOOK, LONGEST_LOOK), time.monotonic() + seconds
    while waiting := {node.name: ms for node in nodes if (ms := _watch_wait_ms(node))}:
        if time.monotonic() > end:
            waits = ", ".join(f"{name} for another {ms / 1000:.0f} s" for name, ms in waiting.items())
            raise LaunchError(
                f"after {seconds:g} s some nodes don't count for watches yet ({waits}); try again then"
            )
        time.sleep(min(pauses.pause(), max(0.0, end - time.monotonic())))


def _watch_wait_ms(node: Service) -> int:
    try:
        return fetch_state(node.address, CALL_SECONDS).watch_wait_ms
    except LimeDBError:
        return 0


def _is_ready(node: Service, envoy: Service | None, count: int, whole: bool) -> bool:
    return _sees_all(node, count, whole) and (envoy is None or _is_reached(node, envoy))


def _sees_all(node: Service, count: int, whole: bool) -> bool:
    """Return whether a node serves and sees `count` members alive; if these are the whole cluster, also no
    other members and no change of the topology.
    """
    try:
        state = fetch_state(node.address, CALL_SECONDS)
    except LimeDBError:
        return False
    is_whole = state.total_nodes == state.active_nodes == count and state.is_settled
    return (
        state.active_nodes >= count
        and (is_whole or not whole)
        and state.status == "active"
        and state.node_url == node.url
    )


def _is_reached(node: Service, envoy: Service) -> bool:
    """Return whether a request through Envoy that is pinned to a node succeeds."""
    connection = http.client.HTTPConnection(envoy.address, timeout=CALL_SECONDS)
    try:
        connection.request("GET", "/api/v1/health", headers={"x-limedb-node": node.url})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
