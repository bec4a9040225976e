"""A local cluster from start to stop.

It owns the order in which processes are started, waited for, signalled and stopped, and when the records of
them are written. It must never print.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from limedb import config
from limedb.core.stop_limits import stop_seconds
from limedb.errors import ConfigError, LaunchError, LimeDBError, NotReadyError
from limedb.launch.last_start import Given, recall, remember, remember_nodes
from limedb.launch.plan import (
    LaunchPlan,
    check_options,
    environment,
    make_launch,
    next_node,
    show_nodes_to_envoy,
)
from limedb.launch.processes import Pid, end_all, spawn
from limedb.launch.readiness import wait_ready, wait_watchable
from limedb.launch.records import ENVOY, Folder, Launch, Service
from limedb.operator.remote_cluster import fetch_problems

ENVOY_STOP_SECONDS = 5.0


def plan_start(folder: Folder, forget: bool, **given: Unpack[Given]) -> LaunchPlan:
    """Return the plan of a start, as `recall` does. LaunchError: a cluster already runs there."""
    _refuse_second(folder)
    return recall(folder, forget, **given)


def start(plan: LaunchPlan, seconds: float) -> Launch:
    """Start a cluster, and return once it is ready, within so many seconds. ConfigError, LaunchError: nothing
    of it runs any more. NotReadyError: as long as a node serves, all started processes keep running, so that
    clients can use the rest, and somebody can look after the others. The text lists the nodes that run, or
    those that were stopped, with the reason.
    """
    check_options(plan)  # before anything is made on the disk
    plan.folder.make()
    with plan.folder.locked("start", wait=False):
        _refuse_second(plan.folder)
        launch = make_launch(plan)
        _refuse_loss(plan, launch)
        starts = {service.log: _size(service.log) for service in launch.services}
        try:
            for service in launch.services:
                launch = launch.with_service(_spawn(service))
            plan.folder.write(launch)
            wait_ready(plan.folder, launch, starts, seconds)
            plan.folder.note_data(launch)
            remember(plan, launch)
        except BaseException as error:
            left = _running(launch)
            if isinstance(error, NotReadyError) and error.serving:
                remember(plan, launch)
                raise NotReadyError(f"{error}\n{_left(plan.folder, error, left)}", error.serving) from error
            _end(launch, lambda _: None)
            plan.folder.forget()
            if isinstance(error, NotReadyError) and left:
                raise NotReadyError(f"{error}\n{_stopped(left)}", ()) from error
            raise
    return launch


def add(folder: Folder) -> Service:
    """Start another node, with the settings of the first, and return at once; it joins by itself, and Envoy
    knows it too. LaunchError.
    """
    with folder.locked("changes"):
        launch = folder.read()
        node = _spawn(next_node(folder, launch))
        launch = replace(launch, nodes=(*launch.nodes, node))
        folder.write(launch)
        folder.note_data(launch)
        remember_nodes(folder, launch)
        show_nodes_to_envoy(folder, launch)
    return node


def stop(folder: Folder, say: Callable[[str], None], seconds: float | None = None) -> Launch:
    """Stop all processes of the cluster, and return it. say: takes a line for each node that took over
    `seconds` and was killed; None: what the nodes' settings allow. LaunchError: there is no cluster.

    Envoy stops last, so that clients get an answer in the meantime.
    """
    launch = folder.read()
    _end(launch, say, seconds)
    folder.forget()
    return launch


def kill(folder: Folder, names: Sequence[str]) -> list[Service]:
    """Kill services at once, as a crash would (SIGKILL); return them. LaunchError: one doesn't run, and
    nothing was done.
    """
    return _signal(folder, names, Pid.kill)


def pause(folder: Folder, names: Sequence[str]) -> list[Service]:
    """Freeze services, with their connections open (SIGSTOP); the rest as in `kill`."""
    return _signal(folder, names, Pid.pause)


def resume(folder: Folder, names: Sequence[str]) -> list[Service]:
    """Let paused services continue (SIGCONT); the rest as in `kill`."""
    return _signal(folder, names, Pid.resume)


def restart(folder: Folder, name: str, seconds: float, say: Callable[[str], None]) -> Sequence[str]:
    """Start a node, or Envoy, again with the same command and environment, stopping it first if it still
    runs; return once it is ready, with the problems that it knows of. It stops a running node only once
    watches can count on the others, so that no watch gets a gap. seconds: for each of the two waits. say:
    takes a line if it had to be killed. LaunchError.
    """
    launch = folder.read()
    service = launch.service(name)
    if service.name == ENVOY:
        if service.pid:
            end_all([service.pid], ENVOY_STOP_SECONDS)
    elif service.state != "dead":
        others = [other for other in launch.nodes if other != service and other.state == "running"]
        wait_watchable(others, seconds)
        _end_nodes([service], say)
    starts = {service.log: _size(service.log)}
    folder.update(_spawn(service))
    wait_ready(folder, folder.read(), starts, seconds)
    return () if service.name == ENVOY else _problems(service, seconds)


def _problems(node: Service, seconds: float) -> Sequence[str]:
    try:
        return fetch_problems(node.target, seconds)
    except LimeDBError:  # it was ready; `limedb admin status` shows them later
        return ()


def _refuse_second(folder: Folder) -> None:
    if not folder.launch_file.exists():
        return
    if any(service.state != "dead" for service in folder.read().services):
        raise LaunchError(
            f"a cluster runs in {folder.path}; stop it first: limedb cluster stop --data-dir {folder.path}"
        )


def _refuse_loss(plan: LaunchPlan, launch: Launch) -> None:
    """Refuse to start nodes that all had data here and no longer have any. LaunchError."""
    if plan.empty or launch.nodes[0].settings.get("STORE") == "memory":
        return
    lost = sorted(plan.folder.had_data())
    if lost and not any(node.has_data for node in launch.nodes):
        raise LaunchError(
            f"the data of {', '.join(lost)} is gone from {plan.folder.path}: nothing was started, since the"
            " nodes would found a new, empty cluster. Put the data back (docs/damage.md), or start over:"
            " limedb cluster start --empty"
        )


def _running(launch: Launch) -> list[str]:
    return [node.name for node in launch.nodes if node.state == "running"]


def _left(folder: Folder, error: NotReadyError, running: Sequence[str]) -> str:
    """The processes that keep running, and the next steps."""
    waiting = [name for name in running if name not in error.serving]
    others = f" ({', '.join(waiting)} too, which wait for the rest)" if waiting else ""
    serve = "serves, so it keeps running" if len(error.serving) == 1 else "serve, so they keep running"
    return (
        f"{', '.join(error.serving)} {serve}{others}; start the others with limedb cluster restart NODE"
        f" --data-dir {folder.path}, or stop all: limedb cluster stop --data-dir {folder.path}"
    )


def _stopped(running: Sequence[str]) -> str:
    """Which processes were stopped, and why."""
    names = ", ".join(running)
    return (
        f"No node served, so those that ran were stopped again ({names}): nothing runs now. Start"
        " all once the reasons above are gone; if data was lost or damaged, see docs/damage.md"
    )


def _spawn(service: Service) -> Service:
    return replace(service, pid=spawn(service.argv, environment(service), service.log))


def _signal(folder: Folder, names: Sequence[str], send: Callable[[Pid], None]) -> list[Service]:
    launch = folder.read()
    services = list(dict.fromkeys(launch.service(name).name for name in names))
    found = [launch.service(name) for name in services]
    if dead := [service.name for service in found if service.state == "dead"]:
        first = dead[0]
        raise LaunchError(
            f"{first} does not run; start it: limedb cluster restart {first} --data-dir {folder.path}"
        )
    for service in found:
        if service.pid:
            send(service.pid)
    return found


def end_node(node: Service, say: Callable[[str], None]) -> None:
    """Stop one node. say: takes a line if it took too long, and was killed."""
    _end_nodes([node], say)


def _end(launch: Launch, say: Callable[[str], None], seconds: float | None = None) -> None:
    _end_nodes(launch.nodes, say, seconds)
    if launch.envoy and launch.envoy.pid:
        end_all([launch.envoy.pid], ENVOY_STOP_SECONDS)


def _end_nodes(nodes: Sequence[Service], say: Callable[[str], None], seconds: float | None = None) -> None:
    limit = max(map(longest_stop, nodes)) if seconds is None else seconds
    killed = end_all([node.pid for node in nodes if node.pid], limit)
    for node in nodes:
        if node.pid in killed:
            say(f"{node.name} did not stop within {limit:g} s, and was killed")


def longest_stop(node: Service) -> float:
    """Return the seconds that a node may take to stop, by its own settings."""
    try:
        settings = config.load(node.settings)
    except ConfigError:  # another version started it, and it must still stop
        settings = config.load({})
    return stop_seconds(settings.max_clock_skew)


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0
