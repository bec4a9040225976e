"""LimeDB nodes with the defaults DURABILITY=always and CONSISTENCY=quorum."""

from pathlib import Path
from typing import Literal

from bench import names
from bench.load import limedb_command, node_env, wait_serving
from bench.systems.processes import LOOPBACK, Processes, steady_port
from bench.waiting import wait_until
from limedb.tls.dialling import open_channel
from limedb.tls.target import ClientTls, Target
from limedbpb.v1 import admin_pb2, admin_pb2_grpc


class LimeDB:
    """Some nodes, each of which holds every key. Clients call the first."""

    def __init__(self, folder: Path, nodes: Literal[1, 3], **settings: str) -> None:
        self.name = names.LIMEDB if nodes == 1 else names.LIMEDB_3
        self.folder, self._settings = folder, settings
        self.ports = [steady_port() for _ in range(nodes)]
        self._processes = Processes(folder)
        self.own_settings: dict[int, dict[str, str]] = {}  # of single nodes, by port
        self.tls: ClientTls | None = None
        self.token: str | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.ports[0]}"

    @property
    def pids(self) -> list[int]:
        return self._processes.pids

    def missing(self) -> str:
        return ""

    def start(self) -> None:
        for port in self.ports:
            self.start_node(port)
        for port in self.ports:
            wait_member(port, len(self.ports), tls=self.tls, token=self.token)

    def start_node(self, port: int) -> None:
        """Start the node of a port, which knows the other ports' nodes."""
        peers = ",".join(f"http://{LOOPBACK}:{other}" for other in self.ports if other != port)
        own = self.own_settings.get(port, {})
        env = node_env(self.folder / str(port), port, NODE_PEERS=peers, **self._settings, **own)
        self._processes.start(f"node-{port}", limedb_command("serve"), env)
        self._processes.wait_listening(port)

    def stop(self) -> None:
        self._processes.stop()


def wait_member(
    port: int,
    members: int,
    limit: float = 30.0,
    tls: ClientTls | None = None,
    token: str | None = None,
) -> None:
    """Wait until the node serves, in a cluster of that many members in which nothing moves."""
    with open_channel(Target(f"{LOOPBACK}:{port}", tls, token), ()) as channel:
        wait_serving(channel, limit)
        admin = admin_pb2_grpc.AdminServiceStub(channel)

        def is_settled() -> bool:
            status = admin.GetStatus(admin_pb2.GetStatusRequest(), timeout=limit)
            return len(status.members) == members and status.phase == "steady"

        wait_until(is_settled, limit, f"the node at port {port} has {members} members around it")
