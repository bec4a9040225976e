"""A replica's answer to a request of another topology than its own, and the reaction of the request.

It owns the one rule: the node follows the claim as far as it can be proven (`cluster/topology/verifier.py`),
and a request starts over only if that has led to an epoch newer than its own. It must never count the
attempts: each request has its own bound.
"""

from limedb.core.layout import Layout
from limedb.core.topology import Fence, Topology
from limedb.errors import LimeDBError, NotMemberError, StaleEpochError
from limedb.ports import Placement


def follow_topology(placement: Placement, stale: StaleEpochError, known: Layout) -> bool:
    """Follow the topology that a replica claims; return whether a newer one than that of `known`, under which
    the replica was asked, is now in force.
    """
    placement.adopt(stale.topology)
    return placement.layout.topology.epoch > known.topology.epoch


def misfit(fence: Fence, own: Topology) -> LimeDBError:
    """The reason why a message can't be served."""
    if own.is_fresh:
        return NotMemberError(f"the node belongs to no cluster yet; asked for cluster {fence.cluster_id}", "")
    if fence.cluster_id != own.cluster_id:
        asked = f"cluster {fence.cluster_id}" if fence.cluster_id else "no cluster"
        text = f"the node belongs to cluster {own.cluster_id}, the asker to {asked}"
        return NotMemberError(text, own.cluster_id)
    return StaleEpochError(own)
