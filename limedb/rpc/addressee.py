"""Checks that a call between nodes reaches the node that it is meant for.

It owns the header that names the node, and the check. It must never be applied to gossip: gossip dials nodes
by aliases, and they answer with their true name.

The argument. An address doesn't prove which node answers there: behind a proxy, a balancer, or a reassigned
IP address, it may be another node of the same cluster. That node knows the cluster and the epoch, so the
fence holds; it would store the data and acknowledge it, both for itself and in place of the intended node.
Then one copy counts as two, one acceptor votes twice, and a majority isn't one. So the caller names the node
that it means, and a node refuses calls that are meant for another one. The URL is enough of a name: the fence
has the epoch, and in one epoch a URL belongs to one node_id.

This holds among honest nodes, however their traffic is led astray. It proves nothing about a node that lies
about its name: with TLS its certificate does (`rpc/caller.py`). Callers of an older version name no node, and
are served.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import grpc

from limedb.core.node_urls import MAX_URL
from limedb.errors import WrongNodeError

HEADER = "limedb-node-bin"
"""The URL of the node that is called, in UTF-8. gRPC allows any bytes in a header with that ending."""


class AddressedChannel:
    """A channel for stubs: all calls over it name the node for which they are meant. metadata: further
    metadata of the calls.
    """

    def __init__(
        self, channel: grpc.aio.Channel, node_url: str, metadata: tuple[tuple[str, bytes], ...] = ()
    ) -> None:
        self._channel, self._metadata = channel, ((HEADER, node_url.encode()), *metadata)

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        """The channel's `unary_unary` and similar methods."""
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
