"""A node's leave from a local cluster, once others have its keys.

It owns the checks before, and the remains of the node afterwards: its data, set aside. It must never stop a
node that is still a member.

Tested in tests/launch/test_changes.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from limedb.errors import LaunchError
from limedb.launch.cluster import end_node
from limedb.launch.last_start import remember_nodes
from limedb.launch.plan import show_nodes_to_envoy
from limedb.launch.records import ENVOY, Folder, Service
from limedb.tls.target import Target


@dataclass(frozen=True, slots=True)
class Removal:
    """A node that will leave. target: another node, which gets the requests for that. is_dead: it does not
    run.
    """

    node: Service
    target: Target
    is_dead: bool


def find_removal(folder: Folder, name: str) -> Removal:
    """Return the facts for a node's leave. LaunchError: it can't leave now."""
    launch = folder.read()
    node = launch.service(name)
    if node.name == ENVOY:
        raise LaunchError(
            "Envoy isn't a member of the cluster: limedb cluster start --no-envoy runs without it"
        )
    if node.state == "paused":
        raise LaunchError(f"{node.name} is paused: resume it first, or kill it")
    others = [other for other in launch.nodes if other != node and other.state == "running"]
    if not others:
        raise LaunchError(f"no other node runs that could take over the keys of {node.name}")
    return Removal(node, others[0].target, node.state == "dead")


def finish_removal(folder: Folder, name: str, say: Callable[[str], None]) -> Path:
    """Stop a node that is no longer a member, and forget it; return the new place of its data, which nothing
    needs. say: takes a line if it took too long to stop, and was killed. LaunchError.
    """
    end_node(folder.read().service(name), say)
    with folder.locked("changes"):
        launch = folder.read()
        node = launch.service(name)
        launch = replace(launch, nodes=tuple(other for other in launch.nodes if other.name != node.name))
        show_nodes_to_envoy(folder, launch)
        folder.write(launch)
        folder.note_data(launch)
        remember_nodes(folder, launch)
    data = Path(node.settings["DATA_DIR"])
    aside = data.with_name(f"{data.name}.removed")
    if data.exists():
        data.rename(aside)
    return aside
