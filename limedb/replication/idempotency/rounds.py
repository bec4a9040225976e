"""Asks the replicas of keys for one step of their agreements.

It owns the conditions of success, and the words of a failure. It must never choose a proposal, nor try again:
`proposer.py` does.

Tested in tests/replication/idempotency/test_proposer.py.
"""

from collections.abc import Sequence

from limedb.aio.quorum_driver import QuorumDriver
from limedb.core.idempotency import FIRST, Proposal, State, is_accepted
from limedb.core.joint_quorum import JointTally
from limedb.core.layout import Owners
from limedb.core.quorum import Level, majority
from limedb.core.quorum_call import QuorumCall
from limedb.core.topology import Fence
from limedb.errors import LevelUnreachableError, LimeDBError, OutcomeUnknownError, StaleEpochError
from limedb.ports import Replicas
from limedb.replication.replica_errors import failure_text, is_newcomer


class PaxosRound(JointTally[State | None]):
    """A proposal and the replicas' answers.

    states: of those that did as asked, by URL. missing: the others, and why. deaf: those of them that are new
    owners and have not heard of it yet. is_contested: another attempt was made.
    """

    __slots__ = ("deaf", "is_contested", "missing", "owners", "proposal", "states")

    def __init__(self, proposal: Proposal, owners: Owners, replicas: Replicas) -> None:
        reachable = [url for url in owners.write_set if replicas.is_reachable(url)]
        super().__init__(majority(owners.replicas), reachable, sides=owners.sides(Level.QUORUM))
        self.proposal, self.owners = proposal, owners
        self.states: dict[str, State] = {}
        self.deaf: set[str] = set()
        self.missing = {url: replicas.absence(url) for url in owners.write_set if url not in reachable}
        self.is_contested = proposal.ballot.round > FIRST

    def take(self, node_url: str, answer: State | None) -> None:
        """Count a replica that did as asked; any other answer counts as a failure."""
        if answer is not None and is_accepted(answer, self.proposal):
            self.states[node_url] = answer
            self.ack_by(node_url)
            return
        self.fail_by(node_url)
        if answer is None:
            self.missing[node_url] = (
                "it does not know writes that began so long ago, or before owners changed"
            )
        else:
            self.missing[node_url] = "it knows another attempt"
            self.is_contested = True

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """Count a replica that gave no answer."""
        self.fail_by(node_url)
        self.missing[node_url] = failure_text(error)
        if node_url in self.owners.pending and is_newcomer(error):
            self.deaf.add(node_url)

    @property
    def is_held_up(self) -> bool:
        """Whether only new owners that have not heard of it yet kept it from being enough."""
        hopeful = [url for url in self.owners.write_set if url in self.deaf or url not in self.missing]
        return bool(self.deaf) and not self.is_enough and self.owners.lacking(Level.QUORUM, hopeful) <= 0

    def error(self, key: str) -> LimeDBError:
        """Why too few did as asked."""
        if self.is_contested:
            return OutcomeUnknownError(key, self.needed, 0, self.missing)
        owners, total = self.owners, len(self.owners.write_set)
        live = [url for url in owners.write_set if url not in self.missing]
        need = len(live) + max(0, owners.lacking(Level.QUORUM, live))
        return LevelUnreachableError(key, Level.QUORUM, need, len(live), total, self.missing)


class PaxosRounds:
    """Asks replicas."""

    def __init__(self, replicas: Replicas, driver: QuorumDriver) -> None:
        self._replicas, self._driver = replicas, driver

    async def run(
        self, rounds: Sequence[PaxosRound], fence: Fence, deadline: float
    ) -> StaleEpochError | None:
        """Ask until all are settled, or the deadline has passed; a stale epoch stops it at once."""

        async def agree(node_url: str, share: Sequence[PaxosRound]) -> Sequence[State | None]:
            return await self._replicas.at(node_url).agree([each.proposal for each in share], fence, deadline)

        call = QuorumCall(rounds, deadline)
        await self._driver.run(call, agree)
        return call.stale
