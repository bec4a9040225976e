"""The name by which a certificate says that its holder is a node, and which one.

It owns the form of that name: a DNS name, for http://node1:8484 it is 8484.node1.node.limedb.internal. It
must never be looked up: nobody resolves it.

Why a DNS name, and not a URI as SPIFFE has it: the dialling side must check it too, and gRPC compares nothing
but the DNS names and IP addresses of a certificate with the name that a channel expects
(docs/decisions/0020-node-certificates.md). `.internal` is reserved for private use.
"""

import ipaddress
from urllib.parse import urlsplit

SUFFIX = ".node.limedb.internal"
"""Names that end with this belong to nodes. A CA must give them to nothing else."""
MAX_NAME = 253
"""Characters of a DNS name."""


def node_name(node_url: str) -> str:
    """The name of a node in its certificate. ValueError: the URL is none, or too long for it."""
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
