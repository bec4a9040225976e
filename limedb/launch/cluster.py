"""A local cluster from start to stop.

It owns the order in which processes are started, waited for, signalled and stopped, and when the records of
them are written. It must never print.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from limedb import config
from limedb.core.stop_limits import stop_seconds
from limedb.errors import ConfigError, LaunchError, LimeDBError, NotReadyError
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
from limedb.launch.records import Folder, Launch, Service
from limedb.operator.remote_cluster import fetch_problems

ENVOY_STOP_SECONDS = 5.0


def start(plan: LaunchPlan, seconds: float) -> Launch:
    """Start a cluster, and return once it is ready, within so many seconds. ConfigError, LaunchError: nothing
    of it runs any more. NotReadyError: as long as a node serves, all started processes keep running, so that
    clients have what is left, and somebody can look after the others. The text says which nodes run, or which
    ones were stopped and why.
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
        except BaseException as error:
            left = _running(launch)
            if isinstance(error, NotReadyError) and error.serving:
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
        show_nodes_to_envoy(folder, launch)
    return node


def stop(folder: Folder, say: Callable[[str], None], seconds: float | None = None) -> None:
    """Stop all processes of the cluster. say: takes a line for each node that took over `seconds` and was
    killed; None: what the nodes' settings allow. LaunchError: there is no cluster.

    Envoy stops last, so that clients get an answer in the meantime.
    """
    _end(folder.read(), say, seconds)
    folder.forget()


def kill(folder: Folder, name: str) -> None:
    """Kill a node at once, as a crash would (SIGKILL). LaunchError: it doesn't run."""
    _alive(folder, name).kill()


def pause(folder: Folder, name: str) -> None:
    """Freeze a node, with its connections open (SIGSTOP). LaunchError: it doesn't run."""
    _alive(folder, name).pause()


def resume(folder: Folder, name: str) -> None:
    """Let a paused node continue (SIGCONT). LaunchError: it doesn't run."""
    _alive(folder, name).resume()


def restart(folder: Folder, name: str, seconds: float, say: Callable[[str], None]) -> None:
    """Start a node again with the same command and environment, stopping it first if it still runs, and
    return once it is ready. It stops a running node only once the others count for watches, so that no watch
    gets a gap. seconds: for each of the two waits. say: takes a line: that the node is ready, and each
    problem that it knows of. LaunchError.
    """
    launch = folder.read()
    node = launch.node(name)
    if node.pid and node.pid.state != "dead":
        others = [other for other in launch.nodes if other.name != name and other.state == "running"]
        wait_watchable(others, seconds)
        _end_nodes([node], say)
    starts = {node.log: _size(node.log)}
    folder.update(_spawn(node))
    wait_ready(folder, folder.read(), starts, seconds)
    say(f"{name} is ready again")
    for problem in _problems(node, seconds):
        say(f"! {problem}")


def restart_all(folder: Folder, seconds: float, say: Callable[[str], None]) -> None:
    """Restart all nodes, each once the one before is ready. seconds: as for one. LaunchError."""
    for node in folder.read().nodes:
        restart(folder, node.name, seconds, say)


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
    """Refuse to start nodes all of which had data here and have none any more. LaunchError."""
    if plan.empty or launch.nodes[0].settings.get("STORE") == "memory":
        return
    lost = sorted(plan.folder.had_data())
    if lost and not any(node.has_data for node in launch.nodes):
        raise LaunchError(
            f"the data of {', '.join(lost)} is gone from {plan.folder.path}: nothing was started, since the"
            " nodes would found a new, empty cluster. Put the data back (docs/damage.md), or begin anew:"
            " limedb cluster start --empty"
        )


def _running(launch: Launch) -> list[str]:
    return [node.name for node in launch.nodes if node.state == "running"]


def _left(folder: Folder, error: NotReadyError, running: Sequence[str]) -> str:
    """Which processes keep running, and what can be done."""
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


def _alive(folder: Folder, name: str) -> Pid:
    pid = folder.read().node(name).pid
    if pid is None or pid.state == "dead":
        raise LaunchError(
            f"{name} does not run; start it: limedb cluster restart {name} --data-dir {folder.path}"
        )
    return pid


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
