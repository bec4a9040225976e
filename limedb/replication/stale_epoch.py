"""What a request does when a replica answers that it knows a newer topology.

It owns the one rule: the claim is followed as far as it can be proven (`cluster/topology/verifier.py`), and a
request starts over only where that has led to an epoch newer than its own. It must never count the attempts:
each request has its own bound.
"""

from limedb.core.layout import Layout
from limedb.errors import StaleEpochError
from limedb.ports import Placement


def follow_topology(placement: Placement, stale: StaleEpochError, known: Layout) -> bool:
    """Follow the topology that a replica claims; whether a newer one than that of `known`, under which it was
    asked, holds now.
    """
    placement.adopt(stale.topology)
    return placement.layout.topology.epoch > known.topology.epoch
