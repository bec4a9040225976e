"""Who may use Envoy, and the RPCs that it publishes at each address.

It owns the names and origins that are accepted, and the choice of RPCs for each listener. It must never know
how Envoy is configured.

Tested in tests/launch/test_access.py; what Envoy makes of it, in tests/envoy/test_published.py and
tests/envoy/test_web_guard.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from limedb.errors import ConfigError
from limedb.launch.addresses import Address, parse_address
from limedb.wire import audience
from limedb.wire.audience import Audience

PUBLIC, OPERATORS = "limedb", "limedb-operators"
"""The names of Envoy's listeners."""

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Access:
    """server_names: the names by which clients reach Envoy, besides localhost and IP addresses. origins: the
    pages of other origins that may call it, as browsers write them. operators: where operators' services are
    published, and may be where all is; None: nowhere. publish: the RPCs that they get on request, by name.
    """

    server_names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    operators: Address | None = None
    publish: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls,
        server_names: tuple[str, ...] = (),
        origins: tuple[str, ...] = (),
        operators: str | None = None,
        publish: tuple[str, ...] = (),
    ) -> Self:
        """Parse the options. ConfigError names the one that is wrong."""
        return cls(
            tuple(map(_server_name, server_names)),
            tuple(map(_origin, origins)),
            parse_address("--operators", operators) if operators else None,
            publish,
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the form that asdict and JSON made of it; missing fields have their defaults."""
        operators = content.get("operators")
        return cls(
            server_names=tuple(content.get("server_names", ())),
            origins=tuple(content.get("origins", ())),
            operators=Address(**operators) if operators else None,
            publish=tuple(content.get("publish", ())),
        )


@dataclass(frozen=True, slots=True)
class Listener:
    """A place where Envoy listens. rpcs: all that it publishes, as SERVICE/METHOD. front: the mark of
    calls of health and reflection that come through it, by which nodes know for whom it is.
    """

    name: str
    address: Address
    rpcs: frozenset[str]
    front: str

    @property
    def calls(self) -> str:
        """The paths of its RPCs of LimeDB's own services, as a regular expression of RE2."""
        return "|".join(f"/{re.escape(rpc)}" for rpc in sorted(self.rpcs) if rpc.startswith("limedb."))

    def refusal(self, rpc: str) -> str:
        """Why it doesn't publish an RPC of LimeDB's; empty: it does."""
        if rpc in self.rpcs:
            return ""
        match audience.audience_of(*rpc.split("/")):
            case Audience.OPERATORS:
                return (
                    "this call is for operators: ask a node, or Envoy where its option --operators says"
                    " (compose: port 8485)"
                )
            case Audience.ON_REQUEST:
                names = (name for name, named in audience.ON_REQUEST.items() if named == rpc)
                return (
                    "this call is for nodes: ask a node, or let Envoy publish it where its option --operators"
                    f" says, by --publish {next(names)}"
                )
        return "this call is for nodes: ask a node"


def listeners(address: Address, access: Access) -> tuple[Listener, ...]:
    """The listeners of an Envoy whose public one is at the address. ConfigError: it should publish something
    for operators, and has no place for that.
    """
    clients, operators = {Audience.CLIENTS}, {Audience.CLIENTS, Audience.OPERATORS}
    if access.operators is None:
        if access.publish:
            raise ConfigError("--publish", ",".join(access.publish), "together with --operators HOST:PORT")
        return (Listener(PUBLIC, address, audience.published(clients), Audience.CLIENTS),)
    rpcs = audience.published(operators, access.publish)
    if access.operators == address:
        return (Listener(PUBLIC, address, rpcs, Audience.OPERATORS),)
    return (
        Listener(PUBLIC, address, audience.published(clients), Audience.CLIENTS),
        Listener(OPERATORS, access.operators, rpcs, Audience.OPERATORS),
    )


def _server_name(text: str) -> str:
    name = text.lower().removesuffix(".")
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ConfigError("--server-name", text, "a name without a port, such as limedb.example.com")
    return name


def _origin(text: str) -> str:
    """As browsers write it: in lower case, and without the usual port."""
    match = _ORIGIN.fullmatch(text.lower().removesuffix("/"))
    if match is None or (match[3] and int(match[3]) > 65535):
        raise ConfigError(
            "--origin", text, "an origin, such as https://app.example.com or http://localhost:3000"
        )
    scheme, host, port = match.groups()
    return f"{scheme}://{host}" + (f":{port}" if port and port != _DEFAULT_PORTS[scheme] else "")
