"""Real nodes, each in a network namespace of its own, so that the network between them can break.

It owns their processes: nothing of a cluster outlives its test, and a failed test shows the ends of the logs.
There is no Envoy; tests ask the nodes themselves.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from limedb import config
from limedb.errors import LimeDBError
from limedb.launch.processes import Pid, end_all, spawn
from limedb.operator.remote_cluster import fetch_state
from tests.support.clusters import print_logs
from tests.support.netns import Lan, lan
from tests.support.waiting import wait_for

READY_SECONDS = 30.0
STOP_SECONDS = 10.0
CALL_SECONDS = 0.5


@dataclass
class NetnsNode:
    """A node. number: of its namespace. address: host:port of its gRPC. env: its own settings."""

    name: str
    number: int
    address: str
    folder: Path
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    pid: Pid | None = None

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def is_up(self) -> bool:
        """Whether a process runs, paused or not."""
        return self.pid is not None and self.pid.state != "dead"


class NetnsCluster:
    """Nodes by name: node1, node2 and so on. env: settings of them all."""

    def __init__(self, network: Lan, folder: Path, env: Mapping[str, str]) -> None:
        self._network, self._folder, self._env = network, folder, dict(env)
        self.nodes: dict[str, NetnsNode] = {}
        for number in network.nodes:
            self._make(number)

    # --- nodes

    def start(self, name: str, env: Mapping[str, str] | None = None) -> None:
        """Start a node's process. env: what to set in its environment from now on."""
        node = self.nodes[name]
        assert not node.is_up, f"{name} runs already"
        node.env |= env or {}
        argv = [*self._network.inside(node.number), sys.executable, "-m", "limedb", "serve"]
        node.pid = spawn(argv, self._environment(node), node.log)

    def add(self, env: Mapping[str, str] | None = None) -> NetnsNode:
        """Start one node more; it is not waited for."""
        node = self._make(self._network.add_node())
        self.start(node.name, env)
        return node

    def kill(self, name: str) -> None:
        """End a node at once (SIGKILL)."""
        self._pid(name).kill()

    def pause(self, name: str) -> None:
        """Make a node stand still (SIGSTOP)."""
        self._pid(name).pause()

    def resume(self, name: str) -> None:
        """Let a paused node go on (SIGCONT)."""
        self._pid(name).resume()

    def stop(self, name: str) -> None:
        """Ask a node to end (SIGTERM), and wait for it."""
        end_all([self._pid(name)], STOP_SECONDS)

    def restart(self, name: str, env: Mapping[str, str] | None = None) -> None:
        """Start a node again that has ended; return when it serves."""
        self.start(name, env)
        self.wait_serving([name])

    def lose_disk(self, name: str) -> None:
        """Delete the data of a node that has ended."""
        assert not self.nodes[name].is_up, f"{name} still runs"
        shutil.rmtree(self.nodes[name].folder)

    # --- the network

    def partition(self, *groups: Iterable[str]) -> None:
        """Let nothing pass between groups of nodes. The test reaches all of them."""
        self._network.partition(*([self.nodes[name].number for name in group] for group in groups))

    def cut(self, source: str, target: str) -> None:
        """Let nothing pass from one node to another."""
        self._network.cut(self.nodes[source].number, self.nodes[target].number)

    def heal(self) -> None:
        """Let everything pass."""
        self._network.heal()

    # --- waiting

    def wait_serving(self, names: Iterable[str] | None = None, limit: float = READY_SECONDS) -> None:
        """Return when nodes serve. AssertionError: one ended, or it took too long."""
        for name in list(names if names is not None else self.nodes):
            wait_for(f"{name} serves", lambda node=self.nodes[name]: _is_serving(node), limit)  # type: ignore[misc]

    def wait_whole(self, count: int | None = None, limit: float = READY_SECONDS) -> None:
        """Return when each node that is up sees `count` members (all), all alive, and no change runs."""
        expected = count if count is not None else len(self.nodes)
        for name in [name for name, node in self.nodes.items() if node.is_up]:
            address = self.nodes[name].address
            wait_for(f"{name} sees {expected} nodes", lambda a=address: _sees(a, expected), limit)  # type: ignore[misc]

    def end(self) -> None:
        """End all processes."""
        end_all([node.pid for node in self.nodes.values() if node.pid is not None], STOP_SECONDS)

    def _make(self, number: int) -> NetnsNode:
        name = f"node{number}"
        address = f"{self._network.address(number)}:{config.DEFAULT_PORT}"
        node = NetnsNode(name, number, address, self._folder / name, self._folder / f"{name}.log")
        self.nodes[name] = node
        return node

    def _pid(self, name: str) -> Pid:
        pid = self.nodes[name].pid
        assert pid is not None, f"{name} was never started"
        return pid

    def _environment(self, node: NetnsNode) -> dict[str, str]:
        """The whole environment of a node; the settings of the test's own process don't reach it."""
        known = {setting.name for setting in config.SETTINGS}
        inherited = {name: value for name, value in os.environ.items() if name not in known}
        peers = ",".join(other.url for other in self.nodes.values() if other is not node)
        own = {"NODE_URL": node.url, "NODE_PEERS": peers, "DATA_DIR": str(node.folder), "OTEL_ENDPOINT": ""}
        own["INSECURE"] = "true"  # nobody else reaches these namespaces
        return inherited | own | self._env | node.env


@contextmanager
def netns_cluster(
    tmp_path: Path,
    nodes: int = 5,
    env: Mapping[str, str] | None = None,
    own_env: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[NetnsCluster]:
    """A whole cluster for the time of the block. env: of all nodes; own_env: of some, by their names."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with lan(nodes) as network:
        cluster = NetnsCluster(network, folder, env or {})
        try:
            for name in cluster.nodes:
                cluster.start(name, (own_env or {}).get(name))
            cluster.wait_serving()
            cluster.wait_whole()
            yield cluster
        except BaseException:
            print_logs(folder)
            raise
        finally:
            cluster.end()


def _is_serving(node: NetnsNode) -> bool:
    assert node.is_up, f"{node.name} ended; see {node.log}"
    try:
        return fetch_state(node.address, CALL_SECONDS).status == "active"
    except LimeDBError:
        return False


def _sees(address: str, count: int) -> bool:
    try:
        state = fetch_state(address, CALL_SECONDS)
    except LimeDBError:
        return False
    return state.total_nodes == state.active_nodes == count and getattr(state, "is_settled", True)
