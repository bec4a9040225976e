"""A local cluster from start to stop.

It owns the order in which processes are started, waited for, signalled and stopped, and when the records of
them are written. It must never print.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from limedb.core.quorum import majority
from limedb.errors import LaunchError, LimeDBError, NotReadyError
from limedb.launch.plan import LaunchPlan, environment, make_launch, next_node
from limedb.launch.processes import Pid, end_all, spawn
from limedb.launch.readiness import CALL_SECONDS, wait_ready, wait_watchable
from limedb.launch.records import Folder, Launch, Service
from limedb.operator.remote_cluster import fetch_problems

STOP_SECONDS = 15.0
"""How long nodes may take to finish their requests, by default; then they are killed."""
ENVOY_STOP_SECONDS = 5.0


def start(plan: LaunchPlan, seconds: float) -> Launch:
    """Start a cluster, and return once it is ready, within so many seconds. ConfigError, LaunchError: nothing
    of it runs any more. NotReadyError: if most of its nodes serve, all started processes keep running, so
    that somebody can look after the others.
    """
    plan.folder.path.mkdir(parents=True, exist_ok=True)
    with plan.folder.locked("start", wait=False):
        _refuse_second(plan.folder)
        launch = make_launch(plan)
        starts = {service.log: _size(service.log) for service in launch.services}
        try:
            for service in launch.services:
                launch = launch.with_service(_spawn(service))
            plan.folder.write(launch)
            wait_ready(plan.folder, launch, starts, seconds)
        except BaseException as error:
            if isinstance(error, NotReadyError) and len(error.serving) >= majority(len(launch.nodes)):
                raise NotReadyError(f"{error}\n{_left(plan.folder, error)}", error.serving) from error
            _end(launch)
            plan.folder.forget()
            raise
    return launch


def add(folder: Folder) -> Service:
    """Start another node, with the settings of the first, and return at once; it joins by itself.

    Envoy keeps to the nodes that it knows: each carries requests to all. LaunchError.
    """
    with folder.locked("changes"):
        launch = folder.read()
        node = _spawn(next_node(folder, launch))
        folder.write(replace(launch, nodes=(*launch.nodes, node)))
    return node


def stop(folder: Folder, seconds: float = STOP_SECONDS) -> list[str]:
    """Stop all processes of the cluster; return the names of the nodes that took over `seconds` and were
    killed. LaunchError: there is no cluster.

    Envoy stops last, so that clients get an answer in the meantime.
    """
    launch = folder.read()
    killed = _end(launch, seconds)
    folder.forget()
    return killed


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
    gets a gap. seconds: for each of the two waits. say: takes a line: that the node is ready, and each of its
    warnings. LaunchError.
    """
    launch = folder.read()
    node = launch.node(name)
    if node.pid and node.pid.state != "dead":
        others = [other for other in launch.nodes if other.name != name and other.state == "running"]
        wait_watchable(others, seconds)
        if end_all([node.pid], STOP_SECONDS):
            say(f"{name} did not stop within {STOP_SECONDS:g} s, and was killed")
    starts = {node.log: _size(node.log)}
    folder.update(_spawn(node))
    wait_ready(folder, folder.read(), starts, seconds)
    say(f"{name} is ready again")
    for problem in _problems(node):
        say(f"! {problem}")


def restart_all(folder: Folder, seconds: float, say: Callable[[str], None]) -> None:
    """Restart all nodes, each once the one before is ready. seconds: as for one. LaunchError."""
    for node in folder.read().nodes:
        restart(folder, node.name, seconds, say)


def _problems(node: Service) -> Sequence[str]:
    try:
        return fetch_problems(node.address, CALL_SECONDS)
    except LimeDBError:  # it was ready; `limedb admin status` shows them later
        return ()


def _refuse_second(folder: Folder) -> None:
    if not folder.launch_file.exists():
        return
    if any(service.state != "dead" for service in folder.read().services):
        raise LaunchError(
            f"a cluster runs in {folder.path}; stop it first: limedb cluster stop --data-dir {folder.path}"
        )


def _left(folder: Folder, error: NotReadyError) -> str:
    return (
        f"{', '.join(error.serving)} serve, so they keep running; start the others with limedb cluster"
        f" restart NODE --data-dir {folder.path}, or stop all: limedb cluster stop --data-dir {folder.path}"
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


def _end(launch: Launch, seconds: float = STOP_SECONDS) -> list[str]:
    """Stop all; return the names of nodes that had to be killed."""
    killed = end_all([node.pid for node in launch.nodes if node.pid], seconds)
    if launch.envoy and launch.envoy.pid:
        end_all([launch.envoy.pid], ENVOY_STOP_SECONDS)
    return [node.name for node in launch.nodes if node.pid in killed]


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0
