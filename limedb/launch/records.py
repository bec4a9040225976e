"""The records of a local cluster between two commands.

It owns the files in the cluster's folder: `cluster.json` for everyone, `launch.json`, which also holds what a
restart needs, and `data.json`, which outlives a stop: the nodes that had data here. It must never look at a
process.

Tested in tests/launch/test_plan.py.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from limedb.errors import LaunchError
from limedb.launch.access import Access
from limedb.launch.addresses import parse_address
from limedb.launch.certificates import client_files
from limedb.launch.processes import Pid
from limedb.launch.secrets import token_for
from limedb.tls.target import ClientTls, Target
from limedb.wire.audience import ON_REQUEST

ENVOY = "envoy"


@dataclass(frozen=True, slots=True)
class Service:
    """A node or Envoy as it was started.

    name: node1.., or envoy. address: host:port of its gRPC. settings: its own environment variables. pid:
    None until it is started.
    """

    name: str
    url: str
    address: str
    argv: tuple[str, ...]
    settings: dict[str, str]
    log: Path
    pid: Pid | None = None

    @property
    def target(self) -> Target:
        """Where its clients reach it, with TLS if it speaks that, and a token if it asks for one."""
        ca, token = self.settings.get("TLS_CA"), token_for(self.settings)
        address = str(parse_address("address", self.address).near)
        if not ca:
            return Target(address, token=token)
        return Target(address, ClientTls(Path(ca), *client_files(Path(ca))), token)

    @property
    def state(self) -> str:
        """The state: running, paused or dead."""
        return self.pid.state if self.pid else "dead"

    @property
    def has_data(self) -> bool:
        """Whether it has data on disk, so that it was in a cluster."""
        folder = Path(self.settings["DATA_DIR"])
        return any(path for ending in ("*.lmdb", "*.json") for path in folder.glob(ending))


@dataclass(frozen=True, slots=True)
class Launch:
    """A cluster that was started. envoy: None if it runs without. access: to Envoy. warning: of the start
    alone: how it is open to other machines; empty: it isn't.
    """

    nodes: tuple[Service, ...]
    envoy: Service | None
    access: Access = field(default_factory=Access)
    warning: str = ""

    @property
    def services(self) -> tuple[Service, ...]:
        """The nodes, then Envoy."""
        return (*self.nodes, self.envoy) if self.envoy else self.nodes

    def service(self, name: str) -> Service:
        """Return the node of that name, URL or address, or Envoy. LaunchError: there is none."""
        for service in self.services:
            if name in (service.name, service.url, service.address):
                return service
        names = ", ".join(service.name for service in self.services)
        raise LaunchError(f"there is no {name} in this cluster, which has {names}")

    def with_service(self, changed: Service) -> "Launch":
        """Return the cluster with one service changed."""
        nodes = tuple(changed if node.name == changed.name else node for node in self.nodes)
        return replace(self, nodes=nodes, envoy=changed if changed.name == ENVOY else self.envoy)


class Folder:
    """The folder of a local cluster."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()

    @property
    def cluster_file(self) -> Path:
        """The path of the file for everyone."""
        return self.path / "cluster.json"

    @property
    def launch_file(self) -> Path:
        """The path of the file for `read`."""
        return self.path / "launch.json"

    def log(self, name: str) -> Path:
        """Return the path of a service's output."""
        return self.path / f"{name}.log"

    def tail(self, service: Service, start: int = 0, lines: int = 10) -> str:
        """Return the last lines that a service wrote after the byte `start` of its log."""
        with service.log.open("rb") as log:
            log.seek(start)
            written = log.read().decode(errors="replace").splitlines()
        return "\n".join(written[-lines:])

    def read(self) -> Launch:
        """Return the cluster that was started here. LaunchError: none was, or it was stopped."""
        try:
            return _launch_of(json.loads(self.launch_file.read_text()))
        except FileNotFoundError:
            raise LaunchError(f"no cluster runs in {self.path}") from None

    def write(self, launch: Launch) -> None:
        """Write a cluster; each file changes as a whole or not at all."""
        self._replace(self.launch_file, _launch_json(launch))
        self._replace(self.cluster_file, _cluster_json(launch))

    def update(self, service: Service) -> None:
        """Write one service that changed, while other commands may change others."""
        with self.locked("changes"):
            self.write(self.read().with_service(service))

    def forget(self) -> None:
        """Remove the records, but leave the cluster's data and logs."""
        self.cluster_file.unlink(missing_ok=True)
        self.launch_file.unlink(missing_ok=True)

    def note_data(self, launch: Launch) -> None:
        """Remember the nodes that have data now, in place of those that had some."""
        self._replace(self._data_file, {"nodes": [node.name for node in launch.nodes if node.has_data]})

    def had_data(self) -> frozenset[str]:
        """Return the names of the nodes that had data when it was last noted."""
        try:
            return frozenset(json.loads(self._data_file.read_text())["nodes"])
        except (OSError, ValueError, KeyError, TypeError):  # an older LimeDB noted none
            return frozenset()

    @property
    def _data_file(self) -> Path:
        return self.path / "data.json"

    def make(self) -> None:
        """Make the folder, if it isn't there. LaunchError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> LaunchError:
        return LaunchError(f"{self.path} can't be the folder of a cluster: {error.strerror}")

    @contextmanager
    def locked(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Hold the lock of that name. LaunchError: another command has it, and wait is False."""
        with self._lock_file(name) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise LaunchError(
                    f"another command is starting or stopping the cluster in {self.path}"
                ) from None
            yield

    def put(self, name: str, content: dict[str, Any]) -> None:
        """Write a file of JSON in the folder; it changes as a whole or not at all."""
        self._replace(self.path / name, content)

    def _lock_file(self, name: str) -> TextIO:
        try:
            return (self.path / f".{name}.lock").open("w")
        except FileNotFoundError:
            raise LaunchError(f"no cluster runs in {self.path}") from None
        except OSError as error:
            raise self._unusable(error) from None

    def _replace(self, path: Path, content: dict[str, Any]) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(content, indent=2) + "\n")
        os.replace(fresh, path)


def _cluster_json(launch: Launch) -> dict[str, Any]:
    return {
        "nodes": [_node_json(node) for node in launch.nodes],
        "envoy": launch.envoy and _envoy_json(launch.envoy),
        "tls": _tls_json(launch.nodes[0].target.tls),
    }


def _tls_json(tls: ClientTls | None) -> dict[str, str] | None:
    """The files that clients need; None: none."""
    return None if tls is None else {"ca": str(tls.ca), "cert": str(tls.cert), "key": str(tls.key)}


def _node_json(node: Service) -> dict[str, Any]:
    return {
        "name": node.name,
        "url": node.url,
        "grpc_address": node.address,
        "pid": node.pid and node.pid.number,
        "log": str(node.log),
    }


def _envoy_json(envoy: Service) -> dict[str, Any]:
    return {"url": envoy.url, "pid": envoy.pid and envoy.pid.number}


def _launch_json(launch: Launch) -> dict[str, Any]:
    services = [{**asdict(service), "log": str(service.log)} for service in launch.services]
    return {"services": services, "access": asdict(launch.access)}


def _launch_of(content: dict[str, Any]) -> Launch:
    services = [_service_of(**fields) for fields in content["services"]]
    nodes = tuple(service for service in services if service.name != ENVOY)
    envoy = next((service for service in services if service.name == ENVOY), None)
    return Launch(nodes, envoy, _access_of(content, envoy))


def _access_of(content: dict[str, Any], envoy: Service | None) -> Access:
    """The access that was given. An older version published everything at one place, and still does."""
    if "access" in content or envoy is None:
        return Access.from_json(content.get("access", {}))
    return Access(operators=parse_address("--port", envoy.address), publish=tuple(ON_REQUEST))


def _service_of(*, pid: dict[str, Any] | None, argv: list[str], log: str, **fields: Any) -> Service:  # noqa: ANN401 (JSON)
    return Service(argv=tuple(argv), log=Path(log), pid=Pid(**pid) if pid else None, **fields)
