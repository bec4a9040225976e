"""The target of a command: the addresses that --target, a context or the environment names, and their files.

It owns which of these wins. A context counts as a whole: where another target is named, it contributes
nothing, so that no token reaches an address for which it isn't meant. It must never call a cluster; of
several addresses it looks for the first at which something listens.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from click.core import ParameterSource

from limedb.config import DEFAULT_PORT
from limedb.core.node_urls import address_of, split_url
from limedb.operator.contexts import Context, load_contexts
from limedb.operator.tokens import token_for
from limedb.tls.target import HTTPS, Target, client_tls

FILES = ("tls_ca", "tls_cert", "tls_key", "token_file")
"""The options with files, in the order of `Context`."""
CONTEXT = "context_name"
PROBE_SECONDS = 1.0
"""How long one of several addresses may take to accept a connection."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A target as it was named, and the files for it; None: not given."""

    text: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    token_file: Path | None = None

    def target(self, reads_token: bool) -> Target:
        """The target of calls; the first of its addresses answers, if one does. ConfigError: a file can't be
        used.
        """
        is_https, addresses = self.text.startswith(HTTPS), addresses_of(self.text)
        tls = client_tls(self.ca, self.cert, self.key, is_https)
        if len(addresses) > 1:
            addresses = nearest_first(addresses)
        if not reads_token:
            return Target(",".join(addresses), tls, None)
        tokens = [token_for(address, self.token_file, os.environ) for address in addresses]
        alike = [address for address, token in zip(addresses, tokens, strict=True) if token == tokens[0]]
        return Target(",".join(alike), tls, tokens[0])


def ask(context: click.Context, text: str, files: Mapping[str, Path | None]) -> Asked:
    """The combination of a command's options, a context and the environment. ConfigError."""
    chosen = _chosen(context)
    if chosen is None:
        return Asked(text, *(files[name] for name in FILES))
    kept = (chosen.ca, chosen.cert, chosen.key, chosen.token_file)
    found = [
        files[name] if _is_typed(context, name) else Path(path) if path else None
        for name, path in zip(FILES, kept, strict=True)
    ]
    return Asked(normal(chosen.target), *found)


def names_target(context: click.Context) -> bool:
    """Whether a command line names a target, or files for it."""
    return any(_is_typed(context, name) for name in ("target", CONTEXT, *FILES))


def normal(text: str) -> str:
    """The addresses of a target as host:port, behind https:// if they speak TLS. click.BadParameter."""
    addresses = ",".join(addresses_of(text))
    return f"{HTTPS}{addresses}" if text.strip().startswith(HTTPS) else addresses


def addresses_of(text: str) -> list[str]:
    """The addresses of a target, each host:port. click.BadParameter: one isn't an address."""
    found = [_address(part.strip()) for part in text.split(",") if part.strip()]
    if not found:
        raise click.BadParameter(f"{text!r:.60} is not a HOST:PORT, such as localhost:8484")
    return list(dict.fromkeys(found))


def as_url(text: str) -> str:
    """A node's URL, for which host:port may stand."""
    return text if "://" in text else f"http://{text}"


def nearest_first(addresses: Iterable[str]) -> list[str]:
    """Addresses, the first at which something listens in front."""
    known = list(addresses)
    first = next((address for address in known if _listens(address)), known[0])
    return [first, *(address for address in known if address != first)]


def _chosen(context: click.Context) -> Context | None:
    """The context in force; None: a target is named, or there is none."""
    if _is_typed(context, "target"):
        return None
    name = context.params.get(CONTEXT) or context.meta.get(CONTEXT)
    if name and (_is_typed(context, CONTEXT) or not os.environ.get("LIMEDB_TARGET")):
        return load_contexts(os.environ).get(name)
    if os.environ.get("LIMEDB_TARGET"):
        return None
    contexts = load_contexts(os.environ)
    return contexts.get(contexts.used) if contexts.used else None


def _is_typed(context: click.Context, name: str) -> bool:
    source = context.meta.get(f"limedb.source.{name}") or context.get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def _address(text: str) -> str:
    """An address as host:port. A bare host has the usual port."""
    bare = text.removeprefix(HTTPS).removeprefix("http://").rstrip("/")
    try:
        return address_of(f"http://{bare}")
    except ValueError:
        pass
    try:
        host = f"[{bare}]" if bare.count(":") > 1 and not bare.startswith("[") else bare
        return address_of(f"http://{host}:{DEFAULT_PORT}")
    except ValueError:
        raise click.BadParameter(f"{text!r:.60} is not a HOST:PORT, such as localhost:8484") from None


def _listens(address: str) -> bool:
    try:
        socket.create_connection(split_url(f"http://{address}"), PROBE_SECONDS).close()
    except OSError:
        return False
    return True
