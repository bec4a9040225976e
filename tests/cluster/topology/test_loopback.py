"""The own node is asked by the same call as its peers, and nothing of that goes over a wire."""

from limedb.cluster.topology.loopback import AllNodes
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.report import Progress
from limedb.core.topology import Topology
from limedb.ports import Account

OWN, OTHER = "http://own:1", "http://other:1"
NOWHERE = Topology()


class Keeper:
    """What a node knows: it has promised a ballot, or none."""

    def __init__(self, ballot: Ballot) -> None:
        self.acceptor: Acceptor[Topology] = Acceptor(ballot)

    def account(self, after: int) -> Account:
        return Account((NOWHERE,), self.acceptor)

    async def prepare(self, before: Topology, ballot: Ballot) -> Acceptor[Topology] | Topology:
        return self.acceptor

    async def accept(
        self, before: Topology, ballot: Ballot, after: Topology
    ) -> Acceptor[Topology] | Topology:
        return self.acceptor

    async def pledge(self, founder: str) -> str:
        return self.acceptor.promised.proposer

    async def learn(self, topology: Topology) -> Topology:
        return Topology(cluster_id=self.acceptor.promised.proposer)

    def progress(self) -> Progress:
        return Progress(1, cluster_id=self.acceptor.promised.proposer)


class Wire:
    """A transport that reaches one node, and must not be asked for another."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def prepare(
        self, node_url: str, before: Topology, ballot: Ballot, timeout: float
    ) -> Acceptor[Topology] | Topology:
        assert node_url == OTHER
        return await self._keeper.prepare(before, ballot)

    async def accept(
        self, node_url: str, before: Topology, ballot: Ballot, after: Topology, timeout: float
    ) -> Acceptor[Topology] | Topology:
        assert node_url == OTHER
        return await self._keeper.accept(before, ballot, after)

    async def pledge(self, node_url: str, founder: str, timeout: float) -> str:
        assert node_url == OTHER
        return await self._keeper.pledge(founder)

    async def learn(self, node_url: str, topology: Topology, timeout: float) -> Topology:
        assert node_url == OTHER
        return await self._keeper.learn(topology)

    async def account(self, node_url: str, after: int, timeout: float) -> Account:
        assert node_url == OTHER
        return self._keeper.account(after)

    async def progress(self, node_url: str, timeout: float) -> Progress:
        assert node_url == OTHER
        return self._keeper.progress()


async def test_each_call_reaches_the_node_that_is_named() -> None:
    ballot = Ballot(1, "p")
    to = AllNodes(OWN, Keeper(Ballot(2, "own")), Wire(Keeper(Ballot(3, "other"))))
    for url, name in ((OWN, "own"), (OTHER, "other")):
        for answer in (
            await to.prepare(url, NOWHERE, ballot, 1.0),
            await to.accept(url, NOWHERE, ballot, NOWHERE, 1.0),
            (await to.account(url, 0, 1.0)).acceptor,
        ):
            assert isinstance(answer, Acceptor)
            assert answer.promised.proposer == name
        assert await to.pledge(url, OWN, 1.0) == name
        assert (await to.learn(url, NOWHERE, 1.0)).cluster_id == name
        assert (await to.progress(url, 1.0)).cluster_id == name
