"""The messages of a node that waits for the one cluster in which its data was set aside.

It owns these words. It must never decide anything: `store.py` and `change_driver.py` keep it from other
clusters.
"""

from collections.abc import Iterable

from limedb.core.membership import NodeState


def waits_for(cluster_id: str, living: Iterable[NodeState]) -> str:
    """Why the node serves nothing yet, as a sentence. living: the states of the other living nodes."""
    text = (
        "the node's data is set aside, since it was damaged or the node was removed: cluster"
        f" {cluster_id} must let it join as a new node,"
        " for which it needs a majority of its members; it founds no other"
    )
    states = [state for state in living if state.cluster_id]
    others = ", ".join(sorted(f"{state.url} in cluster {state.cluster_id}" for state in states))
    if not others or any(state.cluster_id == cluster_id for state in states):
        return text
    return (
        f"{text}. It hears of no node of that cluster, but of {others}: where that one was made of it"
        " (limedb repair-topology), stop this node, move its new .lmdb folder away, which has no data, and"
        " start it: then it joins"
    )
