"""When a local cluster is ready: all nodes see each other, and Envoy reaches each of them.

It owns the questions and the waiting. It must never start or end a process.
"""

import http.client
import time
from collections.abc import Sequence
from pathlib import Path

from limedb.aio.retrying import Pauses
from limedb.errors import LaunchError, LimeDBError
from limedb.launch.records import Folder, Launch, Service
from limedb.rpc.remote_cluster import fetch_state

READY_SECONDS = 30.0
FIRST_LOOK, LONGEST_LOOK = 0.05, 0.5
"""Seconds between two looks; they grow."""
CALL_SECONDS = 2.0
"""Seconds for an answer: a busy machine gives one late, and where no node runs it is refused at once."""


def wait_ready(folder: Folder, launch: Launch, log_starts: dict[Path, int] | None = None) -> None:
    """Return when the running nodes know each other and Envoy reaches them.

    log_starts: where in its log each process of this start began. LaunchError: one of them died, or it took
    over READY_SECONDS; the text has the last lines of its log.
    """
    starts, end = log_starts or {}, time.monotonic() + READY_SECONDS
    waiting = [service for service in launch.nodes if service.state == "running"]
    pauses = Pauses(FIRST_LOOK, LONGEST_LOOK)
    count, whole = len(waiting), len(waiting) == len(launch.nodes)
    while waiting := [node for node in waiting if not _is_ready(node, launch.envoy, count, whole)]:
        for service in launch.services:
            if service.log in starts and service.state == "dead":
                raise LaunchError(
                    _with_log(f"{service.name} ended while it started", folder, service, starts)
                )
        if time.monotonic() > end:
            names = ", ".join(node.name for node in waiting)
            raise LaunchError(
                _with_log(f"{names} not ready within {READY_SECONDS:g} s", folder, waiting[0], starts)
            )
        time.sleep(pauses.pause())


def wait_watchable(nodes: Sequence[Service]) -> None:
    """Return when all these nodes count for watches, those that don't answer left alone. LaunchError: it took
    over READY_SECONDS.
    """
    pauses, end = Pauses(FIRST_LOOK, LONGEST_LOOK), time.monotonic() + READY_SECONDS
    while waiting := {node.name: ms for node in nodes if (ms := _watch_wait_ms(node))}:
        if time.monotonic() > end:
            waits = ", ".join(f"{name} for another {ms / 1000:.0f} s" for name, ms in waiting.items())
            raise LaunchError(
                f"within {READY_SECONDS:g} s not all nodes count for watches ({waits}); try again then"
            )
        time.sleep(pauses.pause())


def _watch_wait_ms(node: Service) -> int:
    try:
        return fetch_state(node.address, CALL_SECONDS).watch_wait_ms
    except LimeDBError:
        return 0


def _is_ready(node: Service, envoy: Service | None, count: int, whole: bool) -> bool:
    return _sees_all(node, count, whole) and (envoy is None or _is_reached(node, envoy))


def _sees_all(node: Service, count: int, whole: bool) -> bool:
    """Whether a node serves and sees `count` members alive; where these are the whole cluster, no others, and
    no change of the topology.
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
    """Whether a request through Envoy that is pinned to a node is answered."""
    connection = http.client.HTTPConnection(envoy.address, timeout=CALL_SECONDS)
    try:
        connection.request("GET", "/api/v1/health", headers={"x-limedb-node": node.url})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _with_log(text: str, folder: Folder, service: Service, starts: dict[Path, int]) -> str:
    tail = folder.tail(service, starts.get(service.log, 0))
    return f"{text}; the end of {service.log}:\n{tail or '(nothing)'}"
