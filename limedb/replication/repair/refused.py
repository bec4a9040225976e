"""The writes that the own store refused for lack of room: a repair fetches them as soon as it has room.

It owns the fact that there are some, not which. It must never judge whether there is room: the store does.

A coordinator keeps a hint for a replica that refuses, but not always: a node that is full itself has no room
for its own hints, hints are bounded, and another disk may be full too. Writes that no hint brings would be
missing until the next comparison of the ranges, at the end of REPAIR_INTERVAL, and until then the cluster
would tolerate one failure less than anybody knows. So the node owes a repair (`owed.py`).
"""

from collections.abc import Callable

from limedb.replication.repair.owed import OwedMark, OwedRepair, Repair


class RefusedWrites(OwedRepair):
    """Notes refusals. has_room: whether the store would take writes now, as far as it knows."""

    lacking = (
        "this node refused writes, since its disk or map was full, and lacks those until it has compared its"
        " ranges with the other replicas"
    )
    cause = "the writes that were refused for lack of room"

    def __init__(self, has_room: Callable[[], bool], repair: Repair, mark: OwedMark | None = None) -> None:
        super().__init__(lambda: "" if has_room() else "make room, and it does so by itself", repair, mark)
