"""The levels of consistency, as the wire numbers them.

It owns the one table of both names.
"""

from limedb.core.quorum import Level
from limedbpb.v1 import record_pb2

LEVELS: dict[record_pb2.Consistency, Level | None] = {
    record_pb2.CONSISTENCY_UNSPECIFIED: None,
    record_pb2.CONSISTENCY_ONE: Level.ONE,
    record_pb2.CONSISTENCY_QUORUM: Level.QUORUM,
    record_pb2.CONSISTENCY_ALL: Level.ALL,
    record_pb2.CONSISTENCY_LINEARIZABLE: Level.LINEARIZABLE,
}
"""The levels that a request may ask for; None: the node's default."""

_NUMBERS = {level: number for number, level in LEVELS.items()}


def consistency_of(level: Level | None) -> record_pb2.Consistency:
    """The number of a level; None: the node's default."""
    return _NUMBERS[level]
