"""The readiness of a local cluster: all nodes see each other, and Envoy reaches each of them.

It owns the checks and the waiting, which follow the caller's time. It must never start or stop a process.

Tested in tests/launch/test_looks.py.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from limedb.aio.retrying import Pauses
from limedb.core.quorum import majority
from limedb.errors import LaunchError, NotReadyError
from limedb.launch.looks import Look
from limedb.launch.records import Folder, Launch, Service

FIRST_LOOK, LONGEST_LOOK = 0.05, 0.5
"""Seconds between two checks; they grow."""


def wait_ready(folder: Folder, launch: Launch, starts: Mapping[Path, int], seconds: float) -> None:
    """Return once the nodes that run or were started know each other and Envoy reaches them.

    starts: the byte of its log at which each process of this start began. NotReadyError: it took over
    `seconds`, or one of them died, and the others take requests already or are too few to do so.
    """
    end = time.monotonic() + seconds
    looks = {node.name: Look(node, launch.envoy, seconds) for node in launch.nodes}
    waiting = [node for node in launch.nodes if node.log in starts or node.state == "running"]
    pauses = Pauses(FIRST_LOOK, LONGEST_LOOK)
    count, whole = len(waiting), len(waiting) == len(launch.nodes)
    while waiting := [node for node in waiting if not looks[node.name].finds_ready(count, whole)]:
        dead = [each for each in launch.services if each.log in starts and each.state == "dead"]
        if (dead and _is_all_that_comes(launch, looks)) or time.monotonic() > end:
            raise _not_ready(folder, launch, starts, dead, waiting, looks, seconds)
        time.sleep(min(pauses.pause(), max(0.0, end - time.monotonic())))


def _is_all_that_comes(launch: Launch, looks: Mapping[str, Look]) -> bool:
    """Return whether no further node will serve: all that run do; or they aren't a majority of all, and the
    others of them haven't begun to for some time.
    """
    running = [looks[node.name] for node in launch.nodes if node.state == "running"]
    has_ended = launch.envoy is not None and launch.envoy.state == "dead"
    too_few = len(running) < majority(len(launch.nodes))
    return has_ended or all(look.finds_serving() or (too_few and look.is_stuck) for look in running)


def _not_ready(
    folder: Folder,
    launch: Launch,
    starts: Mapping[Path, int],
    dead: Sequence[Service],
    waiting: Sequence[Service],
    looks: Mapping[str, Look],
    seconds: float,
) -> NotReadyError:
    names = ", ".join(service.name for service in dead or waiting)
    lines = [
        f"{names} ended while {'it' if len(dead) == 1 else 'they'} started"
        if dead
        else f"{names} not ready within {seconds:g} s"
    ]
    for service in (*dead, *(node for node in waiting if node not in dead)):
        reason = "" if service.state == "dead" else looks[service.name].reason()
        if not reason:
            tail = folder.tail(service, starts.get(service.log, 0))
            what = "it ended" if service.state == "dead" else "it doesn't answer"
            reason = f"{what}; the end of {service.log}:\n{tail or '(nothing)'}"
        lines.append(f"{service.name}: {reason}")
    has_ended = launch.envoy is not None and launch.envoy.state == "dead"
    serving = [n.name for n in launch.nodes if n.state == "running" and looks[n.name].is_serving]
    return NotReadyError("\n".join(lines), () if has_ended else serving)


def wait_watchable(nodes: Sequence[Service], seconds: float) -> None:
    """Return once watches can count on all these nodes, except those that don't answer: it skips those that
    refuse at once, and the silent ones after `seconds`. LaunchError: a node that answers took longer.
    """
    pauses, end = Pauses(FIRST_LOOK, LONGEST_LOOK), time.monotonic() + seconds
    looks = [Look(node, None, seconds) for node in nodes]
    while waiting := [look for look in looks if not look.finds_watchable()]:
        if time.monotonic() > end:
            _refuse_to_wait(waiting, seconds)
            return
        time.sleep(min(pauses.pause(), max(0.0, end - time.monotonic())))


def _refuse_to_wait(waiting: Sequence[Look], seconds: float) -> None:
    """Raise LaunchError if watches can't count yet on one of them that has answered."""
    waits = [
        f"{look.node.name} for another {look.watch_wait_ms / 1000:.0f} s" for look in waiting if look.state
    ]
    if waits:
        raise LaunchError(
            f"after {seconds:g} s some nodes don't count for watches yet ({', '.join(waits)}); try again then"
        )
