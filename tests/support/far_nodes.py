"""Real nodes that are far from each other: what one sends another takes its time, each way.

It owns the proxies in front of the nodes, and the nodes' processes: nothing outlives its test. A node is
known, and reached by its peers, at the address of its proxy; the test asks it directly.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from limedb.errors import LimeDBError
from limedb.operator.remote_cluster import fetch_state
from tests.support.clusters import QUICK, print_logs
from tests.support.delaying import delaying_proxy
from tests.support.ports import free_ports
from tests.support.serving import starting_node
from tests.support.waiting import wait_for

READY_SECONDS = 60.0
CALL_SECONDS = 2.0


@dataclass(frozen=True)
class FarNode:
    """A node. url: its name; address: host:port, without the delay; log: its file."""

    url: str
    address: str
    log: Path


@dataclass
class FarCluster:
    """Nodes that run. seconds: what a message between two takes. ports: of nodes to come; proxies: the ports
    of all proxies, known: of those whose nodes are named to all others.
    """

    folder: Path
    seconds: float
    env: Mapping[str, str]
    stack: ExitStack
    ports: list[int]
    proxies: list[int]
    known: list[int]
    nodes: list[FarNode] = field(default_factory=list)

    def add(self) -> FarNode:
        """Start a node; it is not waited for."""
        port, proxy = self.ports.pop(), self.proxies[len(self.nodes)]
        way = self.stack.enter_context(delaying_proxy(proxy, f"127.0.0.1:{port}", self.seconds))
        folder = self.folder / f"node{len(self.nodes) + 1}"
        own = {
            "NODE_URL": f"http://{way}", "ADVERTISE_ADDRESS": way, "STORE": "lmdb",
            "NODE_PEERS": ",".join(f"http://127.0.0.1:{other}" for other in self.known if other != proxy),
        }  # fmt: skip
        address = self.stack.enter_context(starting_node(folder, port, {**QUICK, **self.env, **own}))
        self.nodes.append(FarNode(own["NODE_URL"], address, folder / "node.log"))
        return self.nodes[-1]

    def wait_whole(self, limit: float = READY_SECONDS) -> None:
        """Return when each node sees all of them alive, as members, and no change runs."""
        for node in self.nodes:
            wait_for(f"{node.url} sees {len(self.nodes)} nodes", lambda n=node: self._is_whole(n), limit)  # type: ignore[misc]

    def _is_whole(self, node: FarNode) -> bool:
        try:
            state = fetch_state(node.address, CALL_SECONDS)
        except LimeDBError:
            return False
        return state.total_nodes == state.active_nodes == len(self.nodes) and state.is_settled


@contextmanager
def far_cluster(
    folder: Path, seconds: float, nodes: int = 3, spare: int = 0, env: Mapping[str, str] | None = None
) -> Iterator[FarCluster]:
    """Nodes that were started, each `seconds` from the others one way, for the time of the block. spare: how
    many more may be started; env: settings of all, besides QUICK.
    """
    with ExitStack() as stack:
        ports = stack.enter_context(free_ports(2 * (nodes + spare)))
        proxies = ports[nodes + spare :]
        cluster = FarCluster(
            folder, seconds, env or {}, stack, ports[: nodes + spare], proxies, proxies[:nodes]
        )
        try:
            for _ in range(nodes):
                cluster.add()
            yield cluster
        except BaseException:
            for node in cluster.nodes:
                print_logs(node.log.parent)
            raise
