"""A node's load as a message, and back.

Tested in tests/wire/test_kv.py and tests/rpc/server/test_cluster.py.
"""

from dataclasses import asdict, fields

from limedb.core.membership import NodeLoad
from limedbpb.v1 import gossip_pb2

_FIELDS = tuple(field.name for field in fields(NodeLoad))


def load_message(load: NodeLoad) -> gossip_pb2.NodeLoad:
    """The load of a node."""
    return gossip_pb2.NodeLoad(**asdict(load))


def load_from(message: gossip_pb2.NodeLoad) -> NodeLoad:
    """A node's report of its load."""
    return NodeLoad(**{name: getattr(message, name) for name in _FIELDS})
