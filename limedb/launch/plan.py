"""The plan of a local cluster, before anything is started.

It owns names, ports, environments and commands, and reports impossible plans early. It must never start a
process.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from limedb import config
from limedb.core.exposure import is_loopback
from limedb.core.node_urls import address_of
from limedb.errors import ConfigError, LaunchError
from limedb.launch import envoy
from limedb.launch.access import Access
from limedb.launch.addresses import LOOPBACK, Address, parse_address
from limedb.launch.certificates import LocalCertificates
from limedb.launch.envoy import EnvoyOptions, EnvoyTls, Followed, Upstream, write_secrets
from limedb.launch.exposure import check_cluster
from limedb.launch.places import Place, next_place, places_from
from limedb.launch.records import ENVOY, Folder, Launch, Service
from limedb.launch.secrets import auth_settings, has_secrets
from limedb.wire import descriptors

MAX_NODES = 64
_FILES = ("TLS_CERT", "TLS_KEY", "TLS_CA", "PEER_TLS_CERT", "PEER_TLS_KEY", "PEER_TLS_CA")
_OURS = {
    "NODE_URL": "--base-port",
    "SERVER_PORT": "--base-port",
    "DATA_DIR": "--data-dir",
    **dict.fromkeys(_FILES, "--tls"),
}


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """A cluster to start. host, port: of Envoy. settings: environment variables for every node. empty: it may
    found a new cluster although nodes had data in the folder, and none has any now. tls: whether all of it
    uses TLS, with certificates in its folder. access: to Envoy. If it has no place for operators' services,
    they are with all others where only this machine reaches Envoy, and otherwise nowhere. auth: whether nodes
    ask for tokens, by secrets in its folder. insecure: whether Envoy may listen beyond loopback without both.
    known: the places of its nodes, if it was started before; empty: `nodes` of them, from `base_port` on.
    """

    folder: Folder
    nodes: int
    base_port: int
    host: str = LOOPBACK
    port: int = config.DEFAULT_PORT
    with_envoy: bool = True
    access_log: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    empty: bool = False
    tls: bool = False
    access: Access = field(default_factory=Access)
    auth: bool = False
    insecure: bool = False
    known: tuple[Place, ...] = ()

    @property
    def places(self) -> tuple[Place, ...]:
        """Where its nodes listen."""
        return self.known or places_from(self.base_port, self.nodes)

    @property
    def shared_settings(self) -> dict[str, str]:
        """The settings that all nodes get: those given, and those of this process's environment."""
        return {**_inherited_settings(), **self.settings}

    @property
    def listen(self) -> Address:
        """The address of Envoy."""
        return Address(self.host, self.port)

    @property
    def whole_access(self) -> Access:
        """The access to Envoy, with what follows from its address."""
        is_given = self.access.operators is not None or not is_loopback(self.host)
        return self.access if is_given else replace(self.access, operators=self.listen)

    def urls(self) -> list[str]:
        """The nodes' URLs."""
        return [place.url for place in self.places]


def check_options(plan: LaunchPlan) -> None:
    """ConfigError: an option is wrong by itself, whatever the folder has and whichever ports are free."""
    if not 1 <= plan.nodes <= MAX_NODES:
        raise ConfigError("--nodes", plan.nodes, f"from 1 to {MAX_NODES}")
    for name, value in plan.settings.items():
        if flaw := _flaw(name):
            raise ConfigError("-e", f"{name}={value}", flaw)


def make_launch(plan: LaunchPlan) -> Launch:
    """Make the folder and Envoy's configuration; return the processes to start. ConfigError, LaunchError,
    ExposedError.
    """
    check_options(plan)
    if plan.insecure:
        plan = replace(plan, settings={**plan.settings, "INSECURE": "true"})
    warning = _check_exposure(plan)
    _check_ports(plan)
    if plan.tls:
        _check_peer_ports(plan)
    _check_kept(plan)
    plan.folder.make()
    if plan.auth:
        plan = replace(plan, settings={**auth_settings(plan.folder.path), **plan.settings})
    nodes = tuple(_node(plan, place) for place in plan.places)
    first = config.load(nodes[0].settings)  # this reports a bad setting once, instead of in four logs
    made = _envoy(plan, first) if plan.with_envoy else None
    return Launch(nodes, made, plan.whole_access, warning)


def _check_exposure(plan: LaunchPlan) -> str:
    """The warning about Envoy; nodes listen on loopback. ExposedError: it must not start."""
    if not plan.with_envoy:
        return ""
    shared = config.load(plan.shared_settings)
    places = [plan.listen, *([plan.access.operators] if plan.access.operators else [])]
    return check_cluster(places, plan.tls, plan.auth or shared.auth == "required", shared.insecure)


def _check_kept(plan: LaunchPlan) -> None:
    """LaunchError: the start would open a protected cluster, as its secrets and certificates show."""
    kept = {"--auth": plan.auth or not has_secrets(plan.folder.path)}
    kept["--tls"] = plan.tls or not LocalCertificates(plan.folder.path).exist
    if lacking := [option for option, is_kept in kept.items() if not is_kept]:
        raise LaunchError(
            f"the cluster in {plan.folder.path} was started with {' and '.join(lacking)}: without it, anybody"
            " could read and write all of it. Give the option again; to open it for good, move its"
            " root.token, cluster.secret or certs away first"
        )


def _flaw(name: str) -> str:
    """The replacement of a setting given by its name; empty: it may be given."""
    if name in _OURS:
        return f"another setting: {_OURS[name]} decides this one"
    known = [setting.name for setting in config.SETTINGS]
    if name in known:
        return ""
    near = [likely for likely in get_close_matches(name.upper(), known, n=3) if likely not in _OURS]
    return "a setting, as `limedb serve --help` lists them" + (
        f"; did you mean {' or '.join(near)}?" if near else "; nodes inherit other variables from your shell"
    )


def next_node(folder: Folder, launch: Launch) -> Service:
    """Return another node for a cluster, with the next name and the first free port after the others'."""
    first = launch.nodes[0]
    taken = tuple(Place(node.name, int(node.settings["SERVER_PORT"])) for node in launch.nodes)
    place = next_place(folder.path, taken)
    place = replace(place, port=_free_port(place.port))
    name, url = place.name, place.url
    settings = first.settings | {
        "NODE_PEERS": ",".join(node.url for node in launch.nodes),
        "NODE_URL": url,
        "SERVER_PORT": str(place.port),
        "DATA_DIR": str(folder.path / name),
    }
    if first.target.tls is not None:
        settings |= LocalCertificates(folder.path).settings(name, url)
    return Service(name, url, address_of(url), first.argv, settings, folder.log(name))


def _free_port(first: int) -> int:
    for port in range(first, first + MAX_NODES):
        try:
            _check_port(LOOPBACK, port, "--base-port")
        except LaunchError:
            continue
        return port
    raise LaunchError(f"no port from {first} to {first + MAX_NODES - 1} is free")


def environment(service: Service) -> dict[str, str]:
    """Return the whole environment of a service: the settings in this process's own don't reach it."""
    known = {setting.name for setting in config.SETTINGS}
    inherited = {name: value for name, value in os.environ.items() if name not in known}
    return inherited | service.settings


def _check_ports(plan: LaunchPlan) -> None:
    for place in plan.places:
        _check_port(LOOPBACK, place.port, "--base-port", place.name if plan.known else "")
    if plan.with_envoy:
        _check_port(plan.host, plan.port, "--port")
        operators = plan.whole_access.operators or plan.listen
        if operators != plan.listen:
            _check_port(operators.host, operators.port, "--operators")


def _check_peer_ports(plan: LaunchPlan) -> None:
    offset = config.load(plan.settings).peer_port_offset
    for place in plan.places:
        _check_port(LOOPBACK, place.port + offset, "-e PEER_PORT_OFFSET")


def _check_port(host: str, port: int, option: str, owner: str = "") -> None:
    """LaunchError: something else listens there. owner: a node that has the port, and can't have another."""
    if not 0 < port < 65536:
        raise ConfigError(option, port, "such that all ports are from 1 to 65535")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            remedy = f"end what does: it is {owner}'s port" if owner else f"choose another {option}"
            raise LaunchError(f"can't listen at {host}:{port} ({error.strerror}); {remedy}") from None


def _node(plan: LaunchPlan, place: Place) -> Service:
    name, url = place.name, place.url
    own = {
        "NODE_PEERS": ",".join(peer for peer in plan.urls() if peer != url),
        **plan.shared_settings,
        "NODE_URL": url,
        "SERVER_PORT": str(place.port),
        "DATA_DIR": str(plan.folder.path / name),
    }
    if plan.tls:
        own |= LocalCertificates(plan.folder.path).settings(name, url)
    argv = (sys.executable, "-P", "-m", "limedb", "serve")  # -P: never what the current folder calls limedb
    return Service(name, url, address_of(url), argv, own, plan.folder.log(name))


def _inherited_settings() -> dict[str, str]:
    """Return the settings of this process's environment that the nodes of a cluster can share."""
    shared = (
        {setting.name for setting in config.SETTINGS} - _OURS.keys() - {"NODE_PEERS", "ADVERTISE_ADDRESS"}
    )
    return {name: os.environ[name] for name in shared & os.environ.keys()}


def _envoy(plan: LaunchPlan, node: config.Config) -> Service:
    binary = envoy.find_envoy()
    path = plan.folder.path / "envoy.yaml"
    otel = (node.otel_endpoint or "").removeprefix("http://")
    upstreams = [Upstream(place.url, LOOPBACK, place.port) for place in plan.places]
    options = replace(
        _envoy_options(plan.folder, upstreams, node, plan.listen, plan.whole_access),
        otel=parse_address("OTEL_ENDPOINT", otel) if otel else None,
        access_log=plan.access_log,
    )
    own: dict[str, str] = {}
    if plan.tls:
        own = dict(LocalCertificates(plan.folder.path).envoy(plan.host, plan.access.server_names))
        shown = envoy.Shown(own["TLS_CERT"], own["TLS_KEY"])
        options = replace(options, tls=EnvoyTls(shown, own["TLS_CA"], shown, str(plan.folder.path / "sds")))
        write_secrets(Path(options.tls.followed), options.tls)
    path.write_text(envoy.render(options))
    _write_followed(options)
    argv = (str(binary), "-c", str(path), "--disable-hot-restart", "--log-level", "warning")
    workers = ("--concurrency", str(max(1, (os.cpu_count() or 1) // 2)))
    url = f"{'https' if plan.tls else 'http'}://{plan.listen.near}"
    return Service(ENVOY, url, str(plan.listen), argv + workers, own, plan.folder.log(ENVOY))


def show_nodes_to_envoy(folder: Folder, launch: Launch) -> None:
    """Let a running Envoy know all nodes of the launch; it follows the files, and breaks off nothing.
    ConfigError.
    """
    if launch.envoy is None:
        return
    node = config.load(launch.nodes[0].settings)
    upstreams = [Upstream(node.url, *_place(node.address)) for node in launch.nodes]
    listen = parse_address("--host", launch.envoy.address)
    _write_followed(_envoy_options(folder, upstreams, node, listen, launch.access))


def _place(address: str) -> tuple[str, int]:
    place = parse_address("NODE_URL", address)
    return place.host, place.port


def _envoy_options(
    folder: Folder, upstreams: Sequence[Upstream], node: config.Config, listen: Address, access: Access
) -> EnvoyOptions:
    return EnvoyOptions(
        nodes=tuple(upstreams),
        listen=listen,
        descriptor=str(descriptors.path()),
        max_body=max(envoy.BODY_LIMIT, envoy.ESCAPED * node.max_value_size + (64 << 10)),
        followed=Followed(
            *(str(folder.path / f"{name}.yaml") for name in ("routes", "endpoints", "operators"))
        ),
        access=access,
    )


def _write_followed(options: EnvoyOptions) -> None:
    """Replace each file as a whole: that is what Envoy notices."""
    for path, content in envoy.render_followed(options).items():
        fresh = Path(f"{path}.new")
        fresh.write_text(content)
        fresh.replace(path)
