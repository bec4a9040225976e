"""Messages of TopologyService to values and back.

It owns the meaning of each field, and refuses (InvalidRequestError) messages that can't be a topology, a
fence or a ballot: the state machines behind it take only whole ones. It must never decide which topology may
follow another.

Tested in tests/wire/test_kv.py.
"""

from limedb.core.bounds import MAX_MEMBERS, flaw
from limedb.core.node_urls import address_of
from limedb.core.paxos import NONE, Acceptor, Ballot
from limedb.core.report import Progress
from limedb.core.topology import Fence, Member, MemberState, Phase, Topology
from limedb.errors import InvalidRequestError
from limedb.ports import MAX_RECENT, Account
from limedbpb.v1 import topology_pb2

_PHASES = {
    Phase.STEADY: topology_pb2.PHASE_STEADY,
    Phase.STREAMING: topology_pb2.PHASE_STREAMING,
    Phase.HANDOVER: topology_pb2.PHASE_HANDOVER,
}
_STANDINGS = {
    MemberState.JOINING: topology_pb2.STANDING_JOINING,
    MemberState.NORMAL: topology_pb2.STANDING_NORMAL,
    MemberState.LEAVING: topology_pb2.STANDING_LEAVING,
    MemberState.REMOVING: topology_pb2.STANDING_REMOVING,
}
_PHASE_OF = {number: phase for phase, number in _PHASES.items()}
_STANDING_OF = {number: standing for standing, number in _STANDINGS.items()}


def cluster_number(cluster_id: str) -> int:
    """A cluster's id, 16 hex digits, as a number; 0 for none."""
    return int(cluster_id, 16) if cluster_id else 0


def cluster_id_from(number: int) -> str:
    """A cluster's id as 16 hex digits; empty for 0."""
    return f"{number:016x}" if number else ""


def fence_message(fence: Fence) -> topology_pb2.Fence:
    """A fence as a message."""
    return topology_pb2.Fence(cluster_id=cluster_number(fence.cluster_id), epoch=fence.epoch)


def fence_from(message: topology_pb2.Fence) -> Fence:
    """A fence as a peer sent it. InvalidRequestError: it isn't set, so it has no epoch."""
    if not message.epoch or not message.cluster_id:
        raise InvalidRequestError(
            "fence is not set: it must name the topology under which the request was made"
        )
    return Fence(cluster_id_from(message.cluster_id), message.epoch)


def topology_message(topology: Topology) -> topology_pb2.Topology:
    """A topology as a message."""
    return topology_pb2.Topology(
        cluster_id=cluster_number(topology.cluster_id),
        epoch=topology.epoch,
        replication_factor=topology.replication_factor,
        members=[_member(m) for m in topology.members],
        phase=_PHASES[topology.phase],
        gives_way=topology.writes_suspended,
    )


def topology_from(message: topology_pb2.Topology) -> Topology:
    """A topology as a peer sent it. InvalidRequestError: it isn't set, so it has no phase, or it has
    a flaw.
    """
    if message.phase not in _PHASE_OF:
        raise InvalidRequestError(f"topology is not set, or its phase is unknown ({message.phase})")
    if (message.epoch == 0) != (message.cluster_id == 0):
        raise InvalidRequestError(
            f"epoch={message.epoch} of cluster {message.cluster_id}: either both are 0 or neither is"
        )
    topology = Topology(
        cluster_id=cluster_id_from(message.cluster_id),
        epoch=message.epoch,
        replication_factor=message.replication_factor,
        members=tuple(_member_from(m) for m in message.members[: MAX_MEMBERS + 1]),
        phase=_PHASE_OF[message.phase],
        writes_suspended=message.gives_way,
    )
    if wrong := flaw(topology):
        raise InvalidRequestError(f"the topology is refused: {wrong}")
    return topology


def ballot_message(ballot: Ballot) -> topology_pb2.Ballot | None:
    """A ballot as a message; None, which leaves the field unset, for NONE."""
    return None if ballot == NONE else topology_pb2.Ballot(round=ballot.round, proposer=ballot.proposer)


def ballot_from(message: topology_pb2.Ballot) -> Ballot:
    """A ballot that a peer tries. InvalidRequestError: it isn't set."""
    if not message.round or not message.proposer:
        raise InvalidRequestError("ballot is not set: it must have a round from 1 on, and a proposer")
    return Ballot(message.round, message.proposer)


def acceptor_message(acceptor: Acceptor[Topology]) -> topology_pb2.Acceptor:
    """An acceptor's state as a message."""
    return topology_pb2.Acceptor(
        promised=ballot_message(acceptor.promised),
        accepted=ballot_message(acceptor.accepted),
        value=topology_message(acceptor.value) if acceptor.value is not None else None,
    )


def acceptor_from(message: topology_pb2.Acceptor) -> Acceptor[Topology]:
    """An acceptor's state as a peer answered it. InvalidRequestError."""
    return Acceptor(
        promised=ballot_from(message.promised) if message.HasField("promised") else NONE,
        accepted=ballot_from(message.accepted) if message.HasField("accepted") else NONE,
        value=topology_from(message.value) if message.HasField("value") else None,
    )


def account_message(account: Account) -> topology_pb2.FetchResponse:
    """A node's account of the epochs as a message."""
    return topology_pb2.FetchResponse(
        topology=topology_message(account.newest),
        since=[topology_message(topology) for topology in account.since[:-1]],
        acceptor=acceptor_message(account.acceptor) if account.acceptor != Acceptor() else None,
    )


def account_from(message: topology_pb2.FetchResponse) -> Account:
    """A peer's account of the epochs. InvalidRequestError."""
    newest = topology_from(message.topology)
    since = [topology_from(each) for each in message.since[:MAX_RECENT]]
    return Account((*since, newest), acceptor_from(message.acceptor))  # one that isn't set reads as empty


def progress_message(progress: Progress) -> topology_pb2.GetProgressResponse:
    """The progress of a node's part of a change, as a message."""
    return topology_pb2.GetProgressResponse(
        epoch=progress.epoch,
        spans=progress.spans,
        spans_done=progress.spans_done,
        keys=progress.keys,
        keys_per_second=progress.keys_per_second,
        waiting_for=progress.waiting_for,
        is_done=progress.is_done,
        dead=progress.dead,
        cluster_id=cluster_number(progress.cluster_id),
    )


def progress_from(message: topology_pb2.GetProgressResponse) -> Progress:
    """The progress of a peer's part of a change."""
    return Progress(
        epoch=message.epoch,
        spans=message.spans,
        spans_done=message.spans_done,
        keys=message.keys,
        keys_per_second=message.keys_per_second,
        waiting_for=message.waiting_for,
        is_done=message.is_done,
        dead=dict(message.dead),
        cluster_id=cluster_id_from(message.cluster_id),
    )


def _member(member: Member) -> topology_pb2.Member:
    return topology_pb2.Member(
        node_id=member.node_id,
        url=member.url,
        zone=member.zone,
        virtual_nodes=member.virtual_nodes,
        standing=_STANDINGS[member.standing],
    )


def _member_from(message: topology_pb2.Member) -> Member:
    if not message.node_id or message.standing not in _STANDING_OF:
        raise InvalidRequestError(f"member {message.url!r} has no node_id, or an unknown standing")
    try:
        address_of(message.url)
    except ValueError as allowed:
        raise InvalidRequestError(f"member {message.url!r}: its url must be {allowed}") from None
    return Member(
        message.node_id, message.url, message.zone, message.virtual_nodes, _STANDING_OF[message.standing]
    )
