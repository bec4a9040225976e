"""Three nodes on loopback, each run by the tree that a test chooses.

It owns their processes: none outlives its test.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from limedb.config import SETTINGS
from limedb.errors import LimeDBError
from limedb.launch.processes import Pid, end_all, spawn
from limedb.operator.remote_cluster import fetch_state
from tests.support.clusters import QUICK, print_logs
from tests.support.ports import free_ports
from tests.support.waiting import wait_for
from tests.upgrade.trees import Tree

NODES = 3
STOP_SECONDS = 30.0
READY_SECONDS = 90.0
CALL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Absence:
    """A node that was stopped. since, until: when it was, and when it served again, seconds of
    time.monotonic.
    """

    address: str
    since: float
    until: float


@dataclass
class MixedCluster:
    """The nodes by their addresses (host:port). absences: in their order."""

    folder: Path
    addresses: list[str]
    pids: dict[str, Pid] = field(default_factory=dict)
    absences: list[Absence] = field(default_factory=list)

    def start(self, address: str, tree: Tree) -> None:
        """Start a node of a tree on the data that it has."""
        known = {setting.name for setting in SETTINGS}
        inherited = {name: value for name, value in os.environ.items() if name not in known}
        own = {
            "NODE_URL": f"http://{address}",
            "NODE_PEERS": ",".join(f"http://{other}" for other in self.addresses if other != address),
            "SERVER_PORT": address.rpartition(":")[2],
            "DATA_DIR": str(self.folder / self._name(address)),
            "OTEL_ENDPOINT": "",
        }
        log = self.folder / f"{self._name(address)}.log"
        self.pids[address] = spawn([str(tree.limedb), "serve"], inherited | QUICK | own, log)

    def restart(self, address: str, tree: Tree) -> None:
        """Stop a node (SIGTERM) and start it again, of a tree; return when all is well again."""
        stopped = time.monotonic()
        end_all([self.pids[address]], STOP_SECONDS)
        self.start(address, tree)
        self.wait_whole()
        self.absences.append(Absence(address, stopped, time.monotonic()))

    def wait_whole(self) -> None:
        """Return when each node serves, sees all, and counts for watches."""
        for address in self.addresses:
            wait_for(f"{address} sees all", lambda a=address: self._is_whole(a), READY_SECONDS)  # type: ignore[misc]

    def end(self) -> None:
        """End all nodes."""
        end_all(list(self.pids.values()), STOP_SECONDS)

    def _is_whole(self, address: str) -> bool:
        assert self.pids[address].state == "running", f"{address} ended"
        try:
            state = fetch_state(address, CALL_SECONDS)
        except LimeDBError:
            return False
        return (state.status, state.total_nodes, state.active_nodes, state.watch_wait_ms) == (
            "active",
            NODES,
            NODES,
            0,
        )

    def _name(self, address: str) -> str:
        return f"node{1 + self.addresses.index(address)}"


@contextmanager
def mixed_cluster(folder: Path, tree: Tree) -> Iterator[MixedCluster]:
    """Nodes of one tree, for the time of the block."""
    with free_ports(NODES) as ports:
        cluster = MixedCluster(folder, [f"127.0.0.1:{port}" for port in ports])
        try:
            for address in cluster.addresses:
                cluster.start(address, tree)
            cluster.wait_whole()
            yield cluster
        except BaseException:
            print_logs(folder)
            raise
        finally:
            cluster.end()
