"""What is wrong with the members of a cluster, as sentences that say what to do.

It owns these words. It must never decide anything, nor ask anybody.
"""

from collections.abc import Collection, Iterator, Mapping

from limedb.core.detector import Status
from limedb.core.quorum import majority
from limedb.core.report import PeerReport
from limedb.core.topology import Member, Topology


def problems_of(topology: Topology, peers: Mapping[str, PeerReport]) -> Iterator[str]:
    """What is wrong, a sentence each. peers: what gossip tells of each node, the own one included, by URL."""
    missing: dict[str, Member] = {}
    for member in topology.members:
        if why := _absence(topology, member, peers.get(member.url)):
            missing[member.node_id] = member
            yield f"{member.url} {why}"
    voters = topology.voters
    there = sum(voter.node_id not in missing for voter in voters)
    if voters and there < majority(len(voters)):
        yield _stuck(there, len(voters), sorted(v.url for v in voters if v.node_id in missing))
    for url, peer in sorted(peers.items()):
        cluster = peer.state.cluster_id
        if cluster and topology.cluster_id and cluster != topology.cluster_id:
            yield f"{url} belongs to another cluster, {cluster}"
        if topology.cluster_id and not peer.state.may_join(topology.cluster_id):
            yield (
                f"{url} waits for cluster {peer.state.rejoins}, in which its data was damaged and set aside,"
                " and joins no other: its own limedb admin status says what to do"
            )


def _absence(topology: Topology, member: Member, peer: PeerReport | None) -> str:
    """Why a member is not there; empty: it is."""
    if peer is None:
        return "was never heard of"
    if peer.status is Status.DEAD:
        return "is dead"
    known = {other.node_id for other in topology.members if other.url == member.url}
    if peer.state.node_id and peer.state.node_id not in known:
        return "is back without its data: it joins anew in its place as soon as a majority agrees"
    return ""


def _stuck(there: int, voters: int, missing: Collection[str]) -> str:
    """Nothing can be agreed any more: what that means, and the two ways out."""
    return (
        f"only {there} of {voters} members are there to agree on a change, and {majority(voters)} must:"
        f" nobody can join, leave or be replaced until enough of {', '.join(missing)} are back with their"
        " data. If that is lost for good: stop all nodes, and run limedb repair-topology on the data folders"
        " of those that are left (docs/damage.md)"
    )
