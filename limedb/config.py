"""The settings of a node.

It owns their names, defaults, units and limits, and is the only reader of the environment. It must never act
on them. A flag overrides the environment, and the environment overrides the default.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limedb.core.node_urls import address_of, node_address, node_url, node_urls, split_url
from limedb.errors import ConfigError
from limedb.setting_values import (
    choice,
    duration,
    duration_or_off,
    file,
    folder,
    is_true,
    number,
    proxies,
    size,
    size_or_0,
    zone,
)

DEFAULT_PORT = 8484
DEFAULT_OTEL_ENDPOINT = "localhost:4317"


@dataclass(frozen=True, slots=True)
class Config:
    """A node's settings, checked. SETTINGS explains each of them.

    Times are in seconds, sizes in bytes.
    """

    server_port: int
    node_url: str
    node_peers: tuple[str, ...]
    virtual_nodes: int
    data_dir: Path
    otel_endpoint: str | None
    """host:port, "" for off, None if it was not set: then the default is used only if something listens
    there.
    """
    store: str
    durability: str
    replication_factor: int
    consistency: str
    gossip_interval: float
    may_found: str
    """yes or no."""
    dead_node_timeout: float
    tombstone_grace: float
    max_clock_skew: float
    repair_interval: float
    scrub_interval: float
    request_timeout: float
    advertise_address: str
    zone: str
    max_value_size: int
    max_memory: int
    log_level: str
    log_format: str
    slow_request: float
    tls_cert: Path | None
    tls_key: Path | None
    tls_ca: Path | None
    tls_client_cert: str
    peer_tls_cert: Path | None
    peer_tls_key: Path | None
    peer_tls_ca: Path | None
    tls_revoked: Path | None
    tls_ca_key: Path | None
    join_token_file: Path | None
    peer_port_offset: int
    auth: str
    cluster_secret_file: Path | None
    root_token_file: Path | None
    jwt_keys_file: Path | None
    jwt_issuer: str
    jwt_audience: str
    jwt_roles_claim: str
    audit_log: Path | None
    insecure: bool
    client_rate: int
    client_burst: int
    client_streams: int
    client_watches: int
    client_scans: int
    client_bytes: int
    max_connections: int
    max_calls: int
    max_waiting_calls: int
    max_cluster_watches: int
    trusted_proxies: tuple[str, ...]

    @property
    def peer_port(self) -> int:
        """The port for the other nodes, if they use TLS."""
        return self.server_port + self.peer_port_offset

    @property
    def host(self) -> str:
        """The host of NODE_URL."""
        return split_url(self.node_url)[0]

    @property
    def advertised_host(self) -> str:
        """The host of ADVERTISE_ADDRESS."""
        return split_url(f"http://{self.advertise_address}")[0]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting."""

    name: str
    """The name in the environment."""
    parse: Callable[[str], Any]
    default: str
    help: str
    """Its meaning."""
    go_flag: str = ""
    """The flag of the Go LimeDB; empty: it had none."""
    value_of_flag: str | None = None
    """The value of the option if it is given without one; None: it needs one."""

    @property
    def field(self) -> str:
        """The attribute of Config."""
        return self.name.lower()

    @property
    def flag(self) -> str:
        """The long option."""
        return "--" + self.name.lower().replace("_", "-")


SETTINGS = (
    Setting("SERVER_PORT", number(1, 65535), str(DEFAULT_PORT), """The port of all services, over gRPC; REST
        is at Envoy.""", "-server.port"),
    Setting("NODE_URL", node_url, "", """The node's name on the ring, and where peers reach it:
        http://node1:8484. Never change it while the node holds data: a node that moves keeps it, and sets
        ADVERTISE_ADDRESS. Default: http://localhost:<port>.""",
        "-node.url"),
    Setting("NODE_PEERS", node_urls, "", """URLs of some other nodes, comma-separated. One running node is
        enough to join a cluster; gossip finds the rest. The nodes found a new cluster when one of them
        reaches a majority of the named nodes, itself included.""", "-node.peers"),
    Setting("VIRTUAL_NODES", number(0, 4096), "256", """Points on the ring; 0 for one at the hash of the
        URL. More balance better (the deviation falls with the root) and make the ring larger to send and
        draw; a node with more points takes a larger share.""", "-node.routing.virtual-nodes"),
    Setting("DATA_DIR", folder, "~/.limedb", "The folder of the node's data.", "-data.dir"),
    Setting("OTEL_ENDPOINT", str, DEFAULT_OTEL_ENDPOINT, """Where traces and metrics go (OTLP over gRPC);
        empty for off. The node traces one call in a hundred, and those that fail or are slow;
        OTEL_TRACES_SAMPLER changes that. When unset, the default is used only if something listens
        there at start.""",
        "-otel.endpoint"),
    Setting("STORE", choice("lmdb", "memory", "filesystem"), "lmdb", """lmdb; memory is lost at restart;
        filesystem is one JSON file, rewritten at each write, for few keys and human readers."""),
    Setting("DURABILITY", choice("always", "interval", "none"), "always", """When a write is on disk: before
        it is acknowledged; within a second; or whenever the kernel writes it. Only always survives a power
        cut."""),
    Setting("GOSSIP_INTERVAL", duration(0.02, 3600), "1s", """The time between gossip rounds. A silent node
        is noticed after some of them; each costs one small message per node."""),
    Setting("REPLICATION_FACTOR", number(1, 15), "3", """How many nodes hold each key (all, if there are
        fewer). Odd numbers are best: 3 tolerates the loss of one node, 5 of two. Fixed when a cluster is
        founded; it doesn't let in a node with another number."""),
    Setting("CONSISTENCY", choice("one", "quorum", "all", "linearizable"), "quorum", """How many replicas
        stand behind an answer, unless a request names a level: any one; a majority; all; a majority, twice
        for writes, so that operations take effect in one order."""),
    Setting("MAY_FOUND", choice("yes", "no"), "yes", """Whether a node without data may found a new cluster
        together with others. Set no once the cluster is there: nodes that lost all their data then wait for a
        cluster that lets them in, instead of founding an empty one that looks like the old one."""),
    Setting("DEAD_NODE_TIMEOUT", duration(1, 30 * 24 * 3600), "10m", """How long a node is dead, in the
        opinion of a majority, before others get its ranges. If it is too short, a long restart
        moves its data."""),
    Setting("TOMBSTONE_GRACE", duration(1, 365 * 24 * 3600), "24h", """The least time for which a deleted key
        is remembered; longer while a replica that may still have the value is away."""),
    Setting("MAX_CLOCK_SKEW", duration(0.01, 3600), "500ms", """How far ahead a version may be before it is
        refused, and how far a clock may be from most peers' before the node stops serving."""),
    Setting("REPAIR_INTERVAL", duration(0.1, 7 * 24 * 3600), "10m", """The time in which a node compares all
        its records with the other replicas once. A million keys take one core about a second."""),
    Setting("SCRUB_INTERVAL", duration_or_off(60, 366 * 24 * 3600), "168h", """The time in which a node reads
        all its records, to find damaged ones and fetch them from the other replicas; 0 for never."""),
    Setting("REQUEST_TIMEOUT", duration(0.01, 600), "10s", """How long a request waits for another node if
        its client set no deadline."""),
    Setting("ADVERTISE_ADDRESS", node_address, "", """The host:port that peers and clients dial, if it isn't
        that of NODE_URL (sidecar, NAT, a node that moved)."""),
    Setting("ZONE", zone, "", "The host or rack of the node."),
    Setting("MAX_VALUE_SIZE", size(1, 16 << 20), "4MiB", """The largest value that clients may store, 16MiB
        at most."""),
    Setting("MAX_MEMORY", size_or_0(64 << 20, 1 << 40), "0", """The memory that requests, answers and streams
        of clients and peers may hold together, at least 64MiB; the node refuses more. Its own caches and
        logs need some 400MiB in addition. 0: an eighth of the machine's or container's memory, 256MiB
        to 2GiB."""),
    Setting("LOG_LEVEL", choice("debug", "info", "warning", "error"), "info",
        "The lowest level that is logged."),
    Setting("LOG_FORMAT", choice("text", "json"), "text", "Lines for people, or JSON objects."),
    Setting("SLOW_REQUEST", duration_or_off(0.001, 600), "500ms", """The node logs a request that takes
        longer, with the causes of its waits, at most 20 lines a second; 0 for never."""),
    Setting("TLS_CERT", file, "", """The node's certificate, with those between it and the CA: PEM, as
        `limedb certs node` makes it. The node then serves clients and other nodes with TLS 1.3. It reads the
        files again when they change."""),
    Setting("TLS_KEY", file, "", "The key of TLS_CERT."),
    Setting("TLS_CA", file, "", "The CAs that certificates of nodes, and of clients, must come from."),
    Setting("TLS_CLIENT_CERT", choice("none", "required"), "none", """Whether clients need a certificate of
        TLS_CA: required, or none."""),
    Setting("PEER_TLS_CERT", file, "", "The certificate for other nodes, if it isn't TLS_CERT."),
    Setting("PEER_TLS_KEY", file, "", "The key of PEER_TLS_CERT. Default: TLS_KEY."),
    Setting("PEER_TLS_CA", file, "", "The CAs that the other nodes' certificates come from, if not TLS_CA."),
    Setting("TLS_REVOKED", file, "", """The certificates of nodes and clients that no longer count: lists
        (CRL) of the CAs in PEM, as `limedb certs revoke` makes them. The node reads the file again when it
        changes, and closes connections of the listed certificates."""),
    Setting("TLS_CA_KEY", file, "", """The key of the CA of nodes. A node that has it signs the certificates
        of new nodes that bring a join token (`limedb admin token join`). Only its owner and group may read
        it."""),
    Setting("JOIN_TOKEN_FILE", file, "", """A file with a join token, by which a new node obtains TLS_CERT,
        TLS_KEY and TLS_CA at its first start, if TLS_CERT isn't there yet."""),
    Setting("PEER_PORT_OFFSET", number(1, 65534), "10000", """With TLS nodes reach each other at a port of
        their own, this much above the one that clients use (8484: 18484). The same on all nodes."""),
    Setting("AUTH", choice("off", "required"), "off", """Whether callers need a token, and nodes the secret
        of their cluster, or a certificate: required, or off."""),
    Setting("CLUSTER_SECRET_FILE", file, "", """A file with the secret by which nodes recognise each
        other, the same for all nodes of a cluster; only its owner and group may read it. A node that has it
        proves that it is a node, whether AUTH is required or not."""),
    Setting("ROOT_TOKEN_FILE", file, "", """A file with a token that may do everything: use it to
        add the first users; it also works while the cluster has no majority. Only its owner and group may
        read it."""),
    Setting("JWT_KEYS_FILE", file, "", """The public keys (PEM or JWKS) of an issuer of JSON Web
        Tokens, which the node then accepts; it reads the file again when it changes."""),
    Setting("JWT_ISSUER", str, "", "The claim iss that such tokens must have."),
    Setting("JWT_AUDIENCE", str, "", "The claim aud that such tokens must have."),
    Setting("JWT_ROLES_CLAIM", str, "limedb_roles", """The claim with the roles of a token's holder, a list of
        ROLE or ROLE:PREFIX."""),
    Setting("AUDIT_LOG", file, "", """A file to which the node appends refusals, and changes of
        membership, users and tokens, as lines of JSON."""),
    Setting("INSECURE", is_true, "false", """true: the node starts although it listens beyond loopback
        without TLS and authentication, so that anyone who reaches it can read and write. It warns as long
        as it runs.""",
        value_of_flag="true"),
    Setting("CLIENT_RATE", number(0, 10**6), "0", """The requests a second that a user may make at this node,
        or an address where nobody is signed in; a batch counts as many as it has keys. 0: any number. All
        users of an address together may have four times as much of this and the next five."""),
    Setting("CLIENT_BURST", number(0, 10**7), "0", """How many of them may come at once; 0: as many as in a
        second."""),
    Setting("CLIENT_STREAMS", number(1, 10**6), "4096", """The sessions, scans and watches that a client may
        have at a time."""),
    Setting("CLIENT_WATCHES", number(1, 10**6), "2000", "Those of them that may be watches of keys."),
    Setting("CLIENT_SCANS", number(1, 10**6), "1024", "Those of them that may be scans."),
    Setting("CLIENT_BYTES", size_or_0(1 << 20, 1 << 40), "0", """The bytes that large requests, answers and
        streams of a client may hold, counted as for MAX_MEMORY. 0: half of MAX_MEMORY."""),
    Setting("MAX_CONNECTIONS", number(0, 10**6), "0", """The connections of clients and peers; beyond that
        the node closes those that sent least. 0: as many as the process may open files, less 128."""),
    Setting("MAX_CALLS", number(100, 42_000), "42000", """The calls of clients at a time, not counting
        streams; the node refuses more."""),
    Setting("MAX_WAITING_CALLS", number(10, 50_000), "4096", """The calls that may wait for their turn; gRPC
        answers further ones with CANCELLED. Best is the number that the node answers in a quarter of the
        time that your clients wait; with more, the last answers come too late."""),
    Setting("MAX_CLUSTER_WATCHES", number(1, 10**6), "1024", """The watches of the cluster (dashboard,
        `limedb top`) at a time."""),
    Setting("TRUSTED_PROXIES", proxies, "", """Addresses, networks (10.1.0.0/16) and host names,
        comma-separated, whose header x-forwarded-for names the client: where Envoy runs. This machine and
        the hosts of the other nodes always count. From anybody else the node ignores it."""),
)  # fmt: skip


def load(environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None) -> Config:
    """The settings from an environment and from flags (by Config field; None: not given).

    ConfigError names the setting, its value and the allowed ones.
    """
    given = {s.field: _given(s, environ, flags or {}) for s in SETTINGS}
    values = {
        s.field: _parsed(s, given[s.field]) for s in SETTINGS if not _is_derived(s.name, given[s.field])
    }
    port = values["server_port"]
    values.setdefault("node_url", f"http://localhost:{port}")
    values.setdefault("otel_endpoint", None)
    values["data_dir"] = _expanded(values["data_dir"])
    own = values["node_url"]
    values["node_peers"] = tuple(url for url in values["node_peers"] if url != own.lower())
    if not values["advertise_address"]:
        _check_port(own, port)
    values["advertise_address"] = values["advertise_address"] or address_of(own)
    return Config(**values)


def _check_port(url: str, port: int) -> None:
    """Refuse a name whose port isn't the one that the node listens on."""
    if split_url(url)[1] != port:
        raise ConfigError(
            "NODE_URL", url, f"at SERVER_PORT={port}; if another port leads there, set ADVERTISE_ADDRESS"
        )


def _expanded(folder: Path) -> Path:
    try:
        return folder.expanduser()
    except RuntimeError:
        raise ConfigError("DATA_DIR", str(folder), "a folder; no user has that name") from None


def _given(setting: Setting, environ: Mapping[str, str], flags: Mapping[str, str | None]) -> str | None:
    flag = flags.get(setting.field)
    return flag if flag is not None else environ.get(setting.name)


def _is_derived(name: str, given: str | None) -> bool:
    """Whether the setting follows from others, or stays open, if it isn't given."""
    return (name == "NODE_URL" and not given) or (name == "OTEL_ENDPOINT" and given is None)


def _parsed(setting: Setting, given: str | None) -> Any:  # noqa: ANN401 (each setting has its own type)
    text = setting.default if given is None else given.strip()
    try:
        return setting.parse(text)
    except ValueError as allowed:
        raise ConfigError(setting.name, text, str(allowed)) from None
