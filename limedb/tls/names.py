"""The names in certificates that make their holders nodes or users.

It owns the forms of these names. A node has a DNS name, for http://node1:8484 it is
8484.node1.node.limedb.internal. It must never be looked up: nobody resolves it. A user has a URI, for alice
it is limedb://user/alice: only the node that is called has to read it.

It is a DNS name, and not a URI as in SPIFFE, since the dialling side must check it too, and gRPC compares
only the DNS names and IP addresses of a certificate with the name that a channel expects
(docs/decisions/0020-node-certificates.md). `.internal` is reserved for private use.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

SUFFIX = ".node.limedb.internal"
"""Names that end with this belong to nodes. A CA must give them to nothing else."""
MAX_NAME = 253
"""Characters of a DNS name."""
USER = "limedb://user/"
"""URIs that begin with this name users."""


def user_uri(name: str) -> str:
    """The name of a user in its certificate."""
    return USER + quote(name, safe="@")


def user_in(uris: Iterable[str]) -> str:
    """The user that a certificate names; empty: none, or more than one."""
    found = [uri for uri in uris if uri.startswith(USER)]
    return unquote(found[0].removeprefix(USER)) if len(found) == 1 else ""


def node_name(node_url: str) -> str:
    """The name of a node in its certificate. ValueError: the text isn't a URL, or too long for it."""
    parts = urlsplit(node_url)
    if not parts.hostname or parts.port is None:
        raise ValueError(f"{node_url!r} is not a node's URL, such as http://node1:8484")
    name = f"{parts.port}.{_dotted(parts.hostname)}{SUFFIX}"
    if len(name) > MAX_NAME:
        raise ValueError(f"{node_url} is too long for a certificate: {MAX_NAME} characters as {name}")
    return name


def _dotted(host: str) -> str:
    """A host without colons, which a DNS name can't have."""
    if ":" in host:
        return ipaddress.IPv6Address(host).exploded.replace(":", "-") + ".ipv6"
    return host.rstrip(".")
