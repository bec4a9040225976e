"""What a replica answers to a request of another topology than its own, and what the request does then.

It owns the one rule: the claim is followed as far as it can be proven (`cluster/topology/verifier.py`), and a
request starts over only where that has led to an epoch newer than its own. It must never count the attempts:
each request has its own bound.
"""

from limedb.core.layout import Layout
from limedb.core.topology import Fence, Topology
from limedb.errors import LimeDBError, NotMemberError, StaleEpochError
from limedb.ports import Placement


def follow_topology(placement: Placement, stale: StaleEpochError, known: Layout) -> bool:
    """Follow the topology that a replica claims; whether a newer one than that of `known`, under which it was
    asked, holds now.
    """
    placement.adopt(stale.topology)
    return placement.layout.topology.epoch > known.topology.epoch


def misfit(fence: Fence, own: Topology) -> LimeDBError:
    """Why a message can't be served."""
    if own.is_fresh:
        return NotMemberError(f"the node belongs to no cluster yet; asked for cluster {fence.cluster_id}", "")
    if fence.cluster_id != own.cluster_id:
        asked = f"cluster {fence.cluster_id}" if fence.cluster_id else "no cluster"
        text = f"the node belongs to cluster {own.cluster_id}, the asker to {asked}"
        return NotMemberError(text, own.cluster_id)
    return StaleEpochError(own)
