"""Whether a member is lost: by the word of a majority of voters, and because it doesn't answer itself.

It owns that count. It must never decide what follows from it.

Tested in tests/cluster/topology/test_absence.py.
"""

from collections.abc import Sequence

from limedb.aio.broadcast import ASK_SECONDS
from limedb.aio.quorum_driver import QuorumDriver
from limedb.cluster.topology.liveness import Liveness
from limedb.core.quorum import majority
from limedb.core.quorum_call import QuorumCall, Tally
from limedb.core.report import Progress
from limedb.core.topology import Member, Topology
from limedb.errors import LimeDBError
from limedb.ports import Clock, TopologyTransport


class Missed(Tally[Progress]):
    """Whether a majority of the voters has missed a member for `limit` seconds."""

    __slots__ = ("_limit", "_url")

    def __init__(self, topology: Topology, member: Member, limit: float) -> None:
        super().__init__(majority(len(topology.voters)), [voter.url for voter in topology.voters])
        self._url, self._limit = member.url, limit

    def take(self, node_url: str, answer: Progress) -> None:
        """Count a voter that misses it."""
        if answer.dead.get(self._url, 0.0) >= self._limit:
            self.ack()
        else:
            self.fail()


class Silence(Tally[Progress]):
    """Whether the member gives no answer of its cluster: when a network heals, requests come through before
    gossip does.
    """

    __slots__ = ("_cluster_id", "_liveness", "_member")

    def __init__(self, topology: Topology, member: Member, liveness: Liveness) -> None:
        super().__init__(1, [member.url])
        self._cluster_id, self._member, self._liveness = topology.cluster_id, member, liveness

    def take(self, node_url: str, answer: Progress) -> None:
        """Another node at the member's URL is not the member."""
        if answer.cluster_id == self._cluster_id and not self._liveness.was_replaced(self._member):
            self.fail()
        else:
            self.ack()

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """It is silent."""
        self.ack()


class Absence:
    """Asks the voters. transport: reaches all nodes, this one included."""

    def __init__(
        self, liveness: Liveness, transport: TopologyTransport, driver: QuorumDriver, clock: Clock
    ) -> None:
        self._liveness = liveness
        self._transport, self._driver, self._clock = transport, driver, clock

    async def is_agreed(self, topology: Topology, member: Member, limit: float) -> bool:
        """Whether the voters agree that a member has been away for `limit` seconds, and it doesn't answer."""
        asked: list[Tally[Progress]] = [Missed(topology, member, limit)]
        if any(voter.url == member.url for voter in topology.voters):
            asked.append(Silence(topology, member, self._liveness))
        call = QuorumCall(asked, self._clock.monotonic() + 2 * ASK_SECONDS)

        async def ask(url: str, tallies: Sequence[Tally[Progress]]) -> Sequence[Progress]:
            return [await self._transport.progress(url, ASK_SECONDS)] * len(tallies)

        await self._driver.run(call, ask)
        return all(tally.is_enough for tally in asked)
