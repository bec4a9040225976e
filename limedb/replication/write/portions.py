"""Large batches, in portions.

It owns the places where a batch is cut. Work on much data at once blocks the event loop: 60 MB of values as
one message to each replica took 0.3 s of processor time in a few turns, and on a busy machine some seconds,
in which every request waited and peers considered the node dead. A portion takes some milliseconds.

Cutting changes no promise: each write of a batch has its own outcome, versions rise in the order of the
batch, and different keys don't depend on each other. So a batch in portions is the same as several batches of
a client.
"""

from collections.abc import Iterator, Sequence

from limedb.replication.requests import Write, WriteBatch

PORTION_BYTES = 960 << 10
"""The approximate number of characters of values that are written at once: with their framing a message of
the peers' stream (`rpc/peer/remote_replica.py`).
"""


def is_large(writes: Sequence[Write], most: int) -> bool:
    """Whether writes are to be cut. most: characters of values in a portion."""
    return len(writes) > 1 and sum(_sizes(writes)) > most


def portions(writes: Sequence[Write], most: int) -> Iterator[Sequence[Write]]:
    """Writes in their order, each portion within `most` characters of values, or one write alone."""
    first = size = 0
    for i, added in enumerate(_sizes(writes)):
        if i > first and size + added > most:
            yield writes[first:i]
            first, size = i, 0
        size += added
    yield writes[first:]


def _sizes(writes: Sequence[Write]) -> Sequence[int]:
    return writes.sizes if isinstance(writes, WriteBatch) else [len(write[1] or b"") for write in writes]
