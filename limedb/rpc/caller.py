"""The node that calls a peer service, by its certificate.

It owns the header by which a node names itself, and the check. The check runs before a message of the call
is read, let alone parsed. It must never be left out where nodes use TLS: gossip, topology, replica and stream
all have it, and `tests/tls/test_peer_rules.py` checks that for each RPC.

Each end checks the other. The dialling one expects the name of the node that it means in the certificate of
the one that answers (`rpc/peer/dialling.py`); this is the other direction. A connection without a
certificate, as those of clients are, carries no name.
"""

from collections.abc import Callable
from typing import Any

import grpc

from limedb.core.node_urls import MAX_URL
from limedb.errors import PeersOnlyError
from limedb.tls.names import SUFFIX, node_name
from limedb.tls.presented import PEM

HEADER = "limedb-caller-bin"
"""The URL of the node that calls, in UTF-8."""
NAMES = "peer_dns"
"""gRPC's property of a connection: the DNS names in the caller's certificate, each once."""


def check_caller(
    context: "grpc.aio.ServicerContext[Any, Any]", is_of_peers: Callable[[bytes], bool] = lambda _pem: True
) -> None:
    """PeersOnlyError: the caller's certificate doesn't name the node that it claims to be, or no node.
    is_of_peers: whether it comes from a CA of nodes: at the clients' port another may have issued it.
    """
    shown = context.auth_context()
    proven = {name.decode(errors="replace").lower() for name in shown.get(NAMES, ())}
    if not any(name.endswith(SUFFIX) for name in proven) or not all(map(is_of_peers, shown.get(PEM, ()))):
        raise PeersOnlyError("", "the caller showed no certificate of a node")
    claimed = claimed_by(context)
    if _name(claimed) not in proven:
        raise PeersOnlyError(claimed, "the caller's certificate is not that of the node that it claims to be")


def claimed_by(context: "grpc.aio.ServicerContext[Any, Any]") -> str:
    """The URL of the node that a caller claims to be; empty: it claims none. `check_caller` proves it."""
    for name, value in context.invocation_metadata() or ():
        if name == HEADER and isinstance(value, bytes):
            return value[:MAX_URL].decode(errors="replace")
    return ""


def check_own_word(caller: str, node_url: str, what: str) -> None:
    """PeersOnlyError: a caller, whose name is proven, speaks for the node of another URL."""
    if caller and _name(caller) != _name(node_url):
        raise PeersOnlyError(caller, f"the {what} is that of another node than the one that calls")


def _name(url: str) -> str:
    try:
        return node_name(url)
    except ValueError:
        return ""
