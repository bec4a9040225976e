"""Whom a call between nodes is meant for.

It owns the header that names the node, and the look at it. It must never be asked of gossip: nodes are
dialled there by aliases, and answer with their true name.

The argument. An address proves nothing about who answers there: behind a proxy, a balancer, or an IP address
that was given anew, it may be another node of the same cluster. That one knows the cluster and the epoch, so
the fence holds; it stores what it is sent, and acknowledges it, as itself and in the place of the node that
was meant. Then one copy counts as two, one acceptor votes twice, and a majority is none. So the caller says
which node it means, and a node does nothing that is meant for another. Its URL is enough of a name: the fence
says the epoch, and in one epoch a URL is that of one node_id.

This holds among nodes that are honest, whoever leads their traffic astray. Of one that lies about its name
nothing is proven, for nodes have no keys yet (docs/decisions/0002-topology-claims.md). Callers of an older
version name nobody, and are served.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import grpc

from limedb.config import MAX_URL
from limedb.errors import WrongNodeError

HEADER = "limedb-node-bin"
"""The URL of the node that is called, in UTF-8. gRPC lets anything stand in a header of that ending."""


class AddressedChannel:
    """What stubs take for a channel: all calls over it name the node that they are meant for."""

    def __init__(self, channel: grpc.aio.Channel, node_url: str) -> None:
        self._channel, self._metadata = channel, ((HEADER, node_url.encode()),)

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        """The channel's unary_unary and its kin."""
        make = getattr(self._channel, kind)
        return lambda *args, **options: partial(make(*args, **options), metadata=self._metadata)


def check_addressee(own_url: str, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    """WrongNodeError: the call is meant for another node."""
    for name, value in context.invocation_metadata() or ():
        if name == HEADER and isinstance(value, bytes):
            check_meant(own_url, value.decode(errors="replace"))


def check_meant(own_url: str, meant: str) -> None:
    """WrongNodeError: a call is meant for the node of another URL."""
    if meant != own_url:
        raise WrongNodeError(own_url, meant[:MAX_URL])
