"""Whether a call came through Envoy.

It owns the header that shows this to a node. It must never be used to grant anything: any caller of a node
can send the header, too.

Tested in tests/rpc/server/test_reflection.py and tests/rpc/server/test_health.py.
"""

from typing import Any

import grpc

from limedb.wire.audience import Audience

HEADER = "x-limedb-front"
"""Envoy adds it to calls of health and reflection, and removes it from clients' headers. Its value is the
Audience for which Envoy publishes RPCs there. An Envoy of 0.2.0 and older sends "1".
"""


def audiences_of(context: "grpc.aio.ServicerContext[Any, Any]") -> frozenset[Audience] | None:
    """Return the audience of the address at which Envoy got the call; None: it came directly."""
    fronts = [value for name, value in context.invocation_metadata() or () if name == HEADER]
    if not fronts:
        return None
    return frozenset(
        {Audience.CLIENTS, *(Audience.OPERATORS for front in fronts if front == Audience.OPERATORS)}
    )


def is_from_envoy(context: "grpc.aio.ServicerContext[Any, Any]") -> bool:
    """Return whether a client sent the call to Envoy. Envoy's own health checks don't count."""
    return any(name == HEADER for name, _ in context.invocation_metadata() or ())
