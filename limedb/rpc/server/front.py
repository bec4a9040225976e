"""Whether a call came through Envoy.

It owns the header by which a node sees that. It must never be used to grant anything: any caller of a node
can send the header, too.

Tested in tests/rpc/server/test_reflection.py and tests/rpc/server/test_health.py.
"""

from typing import Any

import grpc

HEADER = "x-limedb-front"
"""Envoy adds it to calls of health and reflection, and removes it from clients' headers."""


def is_from_envoy(context: "grpc.aio.ServicerContext[Any, Any]") -> bool:
    """Return whether a client sent the call to Envoy. Envoy's own health checks don't count."""
    return any(name == HEADER for name, _ in context.invocation_metadata() or ())
