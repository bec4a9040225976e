"""Whether the owners before a change know of its handover, so that it may end.

It owns that count, for the node that drives the change and for each voter that checks for itself. A change
may finish when so many old owners of each range refuse reads under the previous epoch that no majority of
them is left for reads; and when leaving nodes know it, since otherwise they would return. It must never
decide the step.

The driver prolongs a handover a little where a quorum of the new owners may share no replica with one of the
old. There the new owners can't know of writes with an idempotency key that began before they knew of the
handover, less a margin for clocks (`core/idempotency.py`, settled_since). If the change finished at once,
they would refuse each such write for as long as that margin; during the handover the old owners vouch for it.

Tested in tests/cluster/topology/test_handover.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from limedb.aio.quorum_driver import QuorumDriver
from limedb.cluster.topology.seen import Seen
from limedb.core.idempotency import MARGIN_MS, quorums_intersect
from limedb.core.layout import Layout, Owners
from limedb.core.quorum_call import QuorumCall, Tally
from limedb.core.topology import Fence, Phase, Topology
from limedb.ports import Clock, TopologyTransport

HELD_SECONDS = 1.5 * MARGIN_MS / 1000
"""The least time of a handover where quorums part: the margin, and some time for a write's way."""


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
    """The conditions for the end of a topology's change. known_to: the nodes that certainly know it."""
    before = Layout(replace(topology, phase=Phase.STREAMING))
    ranges = dict.fromkeys(owners for _, owners in before.segments())
    learned = [Learned(owners.sources_needed, owners.natural, known_to) for owners in ranges]
    gone = frozenset(leaving)
    return [*learned, Learned(len(gone), gone, known_to)]


def parts(topology: Topology) -> bool:
    """Whether a change parts quorums: some quorum of the new owners of a key shares no replica with one of
    the old.
    """
    before = Layout(replace(topology, phase=Phase.STREAMING))
    return any(
        not quorums_intersect(
            Owners(owners.natural, (), owners.replicas), Owners(owners.others, (), owners.other_replicas)
        )
        for owners in {owners for _, owners in before.segments() if owners.other_replicas}
    )


class Handover:
    """Sends a topology in its handover to the old owners. transport: reaches all nodes, this one included.
    seen: those that know it. seconds: how long a node may take for an answer.
    """

    def __init__(
        self, transport: TopologyTransport, driver: QuorumDriver, clock: Clock, seen: Seen, seconds: float
    ) -> None:
        self._transport, self._driver, self._clock = transport, driver, clock
        self._seen, self._seconds = seen, seconds
        self._known_since: tuple[Fence, float] | None = None

    def is_ripe(self, topology: Topology) -> bool:
        """Whether a handover that enough nodes know has lasted long enough, from the first call on."""
        now = self._clock.monotonic()
        if self._known_since is None or self._known_since[0] != topology.fence:
            self._known_since = topology.fence, now
        return now - self._known_since[1] >= HELD_SECONDS or not parts(topology)

    async def unaware(self, topology: Topology, leaving: Iterable[str] = ()) -> set[str]:
        """The nodes that must know it first, and don't or don't answer; empty: the change may finish.

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
