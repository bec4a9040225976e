"""The problems of a cluster's members, as sentences with advice.

It owns these texts. It must never decide anything, nor ask a node.
"""

from collections.abc import Collection, Iterator, Mapping

from limedb.core.detector import Status
from limedb.core.quorum import majority
from limedb.core.report import PeerReport
from limedb.core.topology import Member, MemberState, Topology

_DEAD_NEWCOMER = (
    "is dead, and was joining: it resumes when it is back, and its join is cancelled after DEAD_NODE_TIMEOUT,"
    " or at once by `limedb admin cancel`; until then no other change can begin"
)


def problems_of(topology: Topology, peers: Mapping[str, PeerReport]) -> Iterator[str]:
    """The problems, a sentence each. peers: the gossip report of each node, including this one, by URL."""
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
                f"{url} waits for cluster {peer.state.rejoins}, in which its data was set aside,"
                " and joins no other: its own limedb admin status has advice"
            )


def _absence(topology: Topology, member: Member, peer: PeerReport | None) -> str:
    """Why a member is absent; empty: it isn't."""
    if peer is None:
        return "was never heard of"
    if peer.status is Status.DEAD:
        return _DEAD_NEWCOMER if member.standing is MemberState.JOINING else "is dead"
    known = {other.node_id for other in topology.members if other.url == member.url}
    if peer.state.node_id and peer.state.node_id not in known:
        return "is back without its data: it rejoins in its place as soon as a majority agrees"
    return ""


def _stuck(there: int, voters: int, missing: Collection[str]) -> str:
    """The problem of a cluster that can't agree any longer: its consequence, and the two ways out."""
    return (
        f"only {there} of {voters} members are present to agree on a change, and {majority(voters)} must be:"
        f" no node can join, leave or be replaced until enough of {', '.join(missing)} are back with their"
        " data. If that is lost permanently: stop all nodes, and run limedb repair-topology on the data"
        " folders of the remaining ones (docs/damage.md)"
    )
