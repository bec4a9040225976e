"""How gRPC waits for the network in the process of a node or of a client.

It owns GRPC_EXPERIMENTS, a variable of the environment that gRPC reads when it is first imported. Since
grpcio 1.80 threads of its own wait, and hand each event over to Python's; before, one thread waited. With the
old way a call takes about a third less processor time (docs/decisions/0014-grpcio-line.md).
"""

import os
from importlib import metadata

ONE_THREAD = "-event_engine_poller_for_python"
"""The switch, which grpcio has from 1.80 to 1.83."""
_GONE = (1, 84)


def choose_poller() -> None:
    """Let one thread wait, where this grpcio can. GRPC_EXPERIMENTS wins if it is set already."""
    major, minor = (int(part) for part in metadata.version("grpcio").split(".")[:2])
    if (major, minor) < _GONE:
        os.environ.setdefault("GRPC_EXPERIMENTS", ONE_THREAD)
