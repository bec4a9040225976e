"""Whether the owners before a change know of its handover, so that it may end.

It owns that count, for the node that drives the change and for each voter that looks for itself. A change
ends when so many old owners of each range refuse reads under the epoch before that no majority of them is
left to read; and when nodes that leave know it, or they would come back. It must never decide the step.

Tested in tests/cluster/topology/test_handover.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from limedb.aio.quorum_driver import QuorumDriver
from limedb.cluster.topology.seen import Seen
from limedb.core.layout import Layout
from limedb.core.quorum_call import QuorumCall, Tally
from limedb.core.topology import Phase, Topology
from limedb.ports import Clock, TopologyTransport


class Learned(Tally[bool]):
    """Whether enough of some nodes know a topology. nodes: all of them."""

    __slots__ = ("nodes",)

    def __init__(self, need: int, nodes: Iterable[str], known_to: frozenset[str]) -> None:
        self.nodes = frozenset(nodes)
        super().__init__(need, sorted(self.nodes - known_to), holders=len(self.nodes & known_to))

    def take(self, node_url: str, answer: bool) -> None:
        """Count a node that knows it."""
        if answer:
            self.ack()
        else:
            self.fail()


def questions(topology: Topology, leaving: Iterable[str], known_to: frozenset[str]) -> list[Learned]:
    """What must be known before a topology's change may end. known_to: the nodes that know it for certain."""
    before = Layout(replace(topology, phase=Phase.STREAMING))
    ranges = dict.fromkeys(owners for _, owners in before.segments())
    learned = [Learned(owners.sources_needed, owners.natural, known_to) for owners in ranges]
    gone = frozenset(leaving)
    return [*learned, Learned(len(gone), gone, known_to)]


class Handover:
    """Sends old owners a topology in its handover. transport: reaches all nodes, this one included. seen:
    those that know it. seconds: how long a node may take for an answer.
    """

    def __init__(
        self, transport: TopologyTransport, driver: QuorumDriver, clock: Clock, seen: Seen, seconds: float
    ) -> None:
        self._transport, self._driver, self._clock = transport, driver, clock
        self._seen, self._seconds = seen, seconds

    async def unaware(self, topology: Topology, leaving: Iterable[str] = ()) -> set[str]:
        """The nodes that must know it first, and don't or don't answer; empty: the change may end.

        leaving: nodes that must know it all.
        """
        asked = questions(topology, leaving, self._seen.of(topology))
        call = QuorumCall(asked, self._clock.monotonic() + 2 * self._seconds)

        async def ask(url: str, tallies: Sequence[Learned]) -> Sequence[bool]:
            known = await self._transport.learn(url, topology, self._seconds)
            knows = known.cluster_id == topology.cluster_id and known.epoch >= topology.epoch
            if knows:
                self._seen.note(topology, [url])
            return [knows] * len(tallies)

        await self._driver.run(call, ask)
        lacking = set().union(*(tally.nodes for tally in asked if not tally.is_enough))
        return lacking - self._seen.of(topology)
