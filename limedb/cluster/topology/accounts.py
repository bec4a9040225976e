"""The voters' accounts of the epochs after theirs, and the epochs that these prove.

It owns the two counts by which a node believes (`verifier.py` has the argument). It must never ask anybody.

Tested in tests/cluster/topology/test_accounts.py and tests/cluster/topology/test_verifier.py.
"""

from collections.abc import Callable, Iterable, Iterator

from limedb.core.bounds import flaw
from limedb.core.quorum import majority
from limedb.core.quorum_call import Tally
from limedb.core.topology import Topology, is_successor
from limedb.errors import LimeDBError
from limedb.ports import Account


class _Search(Tally[Account]):
    """A question that stays open as long as a node may still answer, since the count may find a later
    epoch.
    """

    __slots__ = ()

    @property
    def is_hopeless(self) -> bool:
        """Whether all have answered or failed, and it was not enough."""
        return not (self.is_enough or self.waiting or self.spare)


class Accounts(_Search):
    """The accounts of an epoch's voters, until a majority of them supports one epoch that may follow.

    by_voter: the valid accounts, by the voter's id. proven: the epoch to adopt, the next one first.
    """

    __slots__ = ("_ids", "by_voter", "known", "proven")

    def __init__(self, known: Topology, own_id: str, own: Account) -> None:
        """own: the account of this node, which counts if it is a voter; the others are asked."""
        others = [voter for voter in known.voters if voter.node_id != own_id]
        self._ids = {voter.url: voter.node_id for voter in others}
        super().__init__(majority(len(known.voters)), self._ids)
        self.known = known
        self.by_voter = {own_id: own} if len(others) < len(known.voters) else {}
        self.proven: Topology | None = None
        self._look()

    @property
    def is_enough(self) -> bool:
        """Whether an epoch is proven."""
        return self.proven is not None

    def take(self, node_url: str, answer: Account) -> None:
        """Count an account, if it is valid."""
        if not any(map(flaw, answer.since)):
            self.by_voter[self._ids[node_url]] = answer
            self._look()

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """A voter is silent."""

    def candidates(self) -> list[Topology]:
        """The epochs that voters have adopted; the next one first."""
        return [c for c in _candidates(self.known, self.by_voter.values()) if self.gone_on(c)]

    def gone_on(self, candidate: Topology) -> set[str]:
        """The voters that have adopted an epoch, by id."""
        return {v for v, account in self.by_voter.items() if account.at(candidate.epoch) == candidate}

    def _look(self) -> None:
        """Find the next epoch that a majority has adopted, or has accepted in one ballot."""
        for candidate in _candidates(self.known, self.by_voter.values()):
            gone_on = self.gone_on(candidate)
            behind = [gone_on, *(gone_on | voted for voted in self._votes(candidate))]
            if max(map(len, behind)) >= self.need:
                self.proven = candidate
                return

    def _votes(self, candidate: Topology) -> Iterator[set[str]]:
        """The voters that have accepted it and not heard that it is decided, by ballot."""
        open_ = {
            voter: account.acceptor
            for voter, account in self.by_voter.items()
            if account.newest == self.known and account.acceptor.value == candidate
        }
        for ballot in sorted({acceptor.accepted for acceptor in open_.values()}):
            yield {voter for voter, acceptor in open_.items() if acceptor.accepted == ballot}


class FirstAccounts(_Search):
    """The accounts of a first topology's voters to a fresh node, until enough confirm it, one of them known.

    need: a majority of all voters except this node; one, if the epoch is a founder's.
    """

    __slots__ = ("_claim", "_knows", "_said")

    def __init__(self, claim: Topology, own_id: str, knows: Callable[[str], bool]) -> None:
        """knows: whether gossip knows a node, by its URL."""
        others = sorted({voter.url for voter in claim.voters if voter.node_id != own_id})
        is_voter = len(others) < len(claim.voters)
        need = 1 if claim.epoch == 1 else max(1, majority(len(claim.voters)) - is_voter)
        super().__init__(need, others)
        self._claim, self._knows = claim, knows
        self._said: set[str] = set()

    @property
    def is_enough(self) -> bool:
        """Whether enough confirm it, one known node among them."""
        return len(self._said) >= self.need and any(map(self._knows, self._said))

    def take(self, node_url: str, answer: Account) -> None:
        """Count a voter that is at the claimed epoch."""
        if answer.at(self._claim.epoch) == self._claim:
            self._said.add(node_url)

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """A voter is silent."""


def _candidates(known: Topology, accounts: Iterable[Account]) -> list[Topology]:
    """Epochs that voters have adopted or accepted, and that may follow the known one; the next epoch
    first.
    """
    found: dict[Topology, None] = {}
    for account in accounts:
        value = account.acceptor.value
        for topology in (*account.since, *((value,) if value and account.newest == known else ())):
            if topology.cluster_id != known.cluster_id or topology.epoch <= known.epoch:
                continue
            if topology.epoch > known.epoch + 1 or is_successor(known, topology):
                found[topology] = None
    return sorted(found, key=lambda topology: topology.epoch)
