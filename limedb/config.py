"""The settings of a node.

It owns their names, defaults, units and limits, and is the one reader of the environment. It must never
act on them. A flag wins over the environment, the environment over the default.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from limedb.errors import ConfigError

DEFAULT_PORT = 8484
DEFAULT_OTEL_ENDPOINT = "localhost:4317"
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Config:
    """A node's settings, checked. Their meaning stands beside each name in SETTINGS.

    Times are in seconds, sizes in bytes. otel_endpoint: host:port, "" for off, None when it was not set:
    then the default is used only where something listens there.
    """

    server_port: int
    node_url: str
    node_peers: tuple[str, ...]
    virtual_nodes: int
    data_dir: Path
    otel_endpoint: str | None
    store: str
    durability: str
    replication_factor: int
    consistency: str
    gossip_interval: float
    dead_node_timeout: float
    tombstone_grace: float
    max_clock_skew: float
    repair_interval: float
    scrub_interval: float
    request_timeout: float
    advertise_address: str
    zone: str
    max_value_size: int
    log_level: str
    log_format: str

    @property
    def host(self) -> str:
        """The host of NODE_URL."""
        return _split_url(self.node_url)[0]

    @property
    def is_loopback(self) -> bool:
        """Whether NODE_URL is a loopback name; then the node listens on loopback only."""
        return self.host in LOOPBACK_HOSTS or self.host.startswith("127.")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. name: in the environment. go_flag: as the Go LimeDB had it, or empty. help: what it is."""

    name: str
    parse: Callable[[str], Any]
    default: str
    help: str
    go_flag: str = ""

    @property
    def field(self) -> str:
        """Its attribute of Config."""
        return self.name.lower()

    @property
    def flag(self) -> str:
        """Its long option."""
        return "--" + self.name.lower().replace("_", "-")


def address_of(url: str) -> str:
    """The host:port that a node URL names. ValueError: it isn't http://HOST:PORT."""
    host, port = _split_url(url)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split_url(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    port = parts.port  # raises ValueError by itself when out of range
    if parts.scheme != "http" or not parts.hostname or port is None or url != f"http://{parts.netloc}":
        raise ValueError("a URL like http://node1:8484, with a port and without a path")
    if "@" in parts.netloc or not re.fullmatch(r"[A-Za-z0-9._:\[\]-]+", parts.netloc):
        raise ValueError("a URL like http://node1:8484, with a port and without a path")
    return parts.hostname, port


def _url(text: str) -> str:
    _split_url(text)
    return text


def _urls(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_url(part.strip().rstrip("/")) for part in text.split(",") if part.strip()))


def _address(text: str) -> str:
    try:
        return address_of(f"http://{text}") if text else ""
    except ValueError:
        raise ValueError("host:port") from None


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d+", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return text.lower()

    return parse


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def _duration(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
        seconds = float(match[1]) * _SECONDS[match[2]] if match else -1.0
        if not low <= seconds <= high:
            raise ValueError(f"a time from {low:g}s to {high:g}s, with its unit: 500ms, 1s, 10m, 24h")
        return seconds

    return parse


def _duration_or_off(low: float, high: float) -> Callable[[str], float]:
    parse_on = _duration(low, high)

    def parse(text: str) -> float:
        try:
            return 0.0 if text == "0" else parse_on(text)
        except ValueError as error:
            raise ValueError(f"0, or {error}") from None

    return parse


def _size(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        match = re.fullmatch(r"(\d+) ?(B|KiB|MiB|)", text)
        size = int(match[1]) * _BYTES[match[2]] if match else -1
        if not low <= size <= high:
            raise ValueError(f"a size from {low} to {high} bytes: 65536, 512KiB, 1MiB")
        return size

    return parse


SETTINGS = (
    Setting("SERVER_PORT", _number(1, 65535), str(DEFAULT_PORT), "The port of all services.", "-server.port"),
    Setting("NODE_URL", _url, "", """The node's name on the ring, and where peers reach it:
        http://node1:8484. Never change it while the node holds data. Default: http://localhost:<port>.""",
        "-node.url"),
    Setting("NODE_PEERS", _urls, "", """URLs of some other nodes, comma-separated. One that runs is enough;
        gossip finds the rest.""", "-node.peers"),
    Setting("VIRTUAL_NODES", _number(0, 4096), "256", """Points on the ring; 0 for one at the hash of the
        URL. More balance better (the deviation falls with the root) and make the ring larger to send and
        draw; a node with more points takes a larger share.""", "-node.routing.virtual-nodes"),
    Setting("DATA_DIR", Path, "~/.limedb", "The folder of the node's data.", "-data.dir"),
    Setting("OTEL_ENDPOINT", str, DEFAULT_OTEL_ENDPOINT, """Where traces and metrics go (OTLP over gRPC);
        empty for off. When unset, the default is used only if something listens there at start.""",
        "-otel.endpoint"),
    Setting("STORE", _choice("lmdb", "memory", "filesystem"), "lmdb", """lmdb; memory is lost at restart;
        filesystem is one JSON file, rewritten at each write, that opens a file of the Go LimeDB."""),
    Setting("DURABILITY", _choice("always", "interval", "none"), "always", """When a write is on disk: before
        it is acknowledged; within a second; or when the kernel likes. Only always outlives a power cut."""),
    Setting("GOSSIP_INTERVAL", _duration(0.02, 3600), "1s", """The time between gossip rounds. A silent node
        is noticed after some of them; each costs one small message a node."""),
    Setting("REPLICATION_FACTOR", _number(1, 15), "3", """How many nodes hold each key (all, where
        there are fewer). Odd numbers are best: 3 does without one node, 5 without two. Agreed when a cluster
        is formed; a node with another number is not let in."""),
    Setting("CONSISTENCY", _choice("one", "quorum", "all", "linearizable"), "quorum", """How many replicas
        stand behind an answer, where a request doesn't say: any one; a majority; all; a majority, twice for
        writes, so that operations take effect in one order."""),
    Setting("DEAD_NODE_TIMEOUT", _duration(1, 30 * 24 * 3600), "10m", """How long a node is dead, in the
        opinion of a majority, before its ranges are given to others. Too short: a long restart moves its
        data."""),
    Setting("TOMBSTONE_GRACE", _duration(1, 365 * 24 * 3600), "24h", """How long a deleted key is remembered,
        at least; longer while a replica that may still have the value is away."""),
    Setting("MAX_CLOCK_SKEW", _duration(0.01, 3600), "500ms", """How far ahead a version may be before it is
        refused, and how far a clock may be from most peers' before the node stops serving."""),
    Setting("REPAIR_INTERVAL", _duration(0.1, 7 * 24 * 3600), "10m", """The time in which a node compares
        all it holds with the other replicas once. A million keys take one core about a second."""),
    Setting("SCRUB_INTERVAL", _duration_or_off(60, 366 * 24 * 3600), "168h", """The time in which a node reads
    all
        that it has stored, to find what is damaged and fetch it from the other replicas; 0 for never."""),
    Setting("REQUEST_TIMEOUT", _duration(0.01, 600), "10s", """How long a request waits for another node
        when its client set no deadline."""),
    Setting("ADVERTISE_ADDRESS", _address, "", """The host:port that peers and clients dial, where it isn't
        that of NODE_URL (sidecar, NAT)."""),
    Setting("ZONE", str, "", "The host or rack that the node stands on."),
    Setting("MAX_VALUE_SIZE", _size(1, 16 << 20), "1MiB", """The largest value that clients may store, 16MiB
        at most."""),
    Setting("LOG_LEVEL", _choice("debug", "info", "warning", "error"), "info", "The least that is logged."),
    Setting("LOG_FORMAT", _choice("text", "json"), "text", "Lines for people, or a JSON object each."),
)  # fmt: skip


def load(environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None) -> Config:
    """The settings from an environment and from flags (by Config field; None: not given).

    ConfigError names the setting, its value and what is allowed.
    """
    given = {s.field: _given(s, environ, flags or {}) for s in SETTINGS}
    values = {
        s.field: _parsed(s, given[s.field]) for s in SETTINGS if not _is_derived(s.name, given[s.field])
    }
    port = values["server_port"]
    values.setdefault("node_url", f"http://localhost:{port}")
    values.setdefault("otel_endpoint", None)
    values["advertise_address"] = values["advertise_address"] or address_of(values["node_url"])
    values["data_dir"] = values["data_dir"].expanduser()
    values["node_peers"] = tuple(url for url in values["node_peers"] if url != values["node_url"])
    return Config(**values)


def _given(setting: Setting, environ: Mapping[str, str], flags: Mapping[str, str | None]) -> str | None:
    flag = flags.get(setting.field)
    return flag if flag is not None else environ.get(setting.name)


def _is_derived(name: str, given: str | None) -> bool:
    """Whether the setting follows from others or is left open when it isn't given."""
    return (name == "NODE_URL" and not given) or (name == "OTEL_ENDPOINT" and given is None)


def _parsed(setting: Setting, given: str | None) -> Any:  # noqa: ANN401 (each setting has a type of its own)
    text = setting.default if given is None else given.strip()
    try:
        return setting.parse(text)
    except ValueError as allowed:
        raise ConfigError(setting.name, text, str(allowed)) from None
