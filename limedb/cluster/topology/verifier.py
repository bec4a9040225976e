"""How this node comes to believe in a newer topology.

It owns the questions to the members that it knows, and the count of what they say. It must never believe one
message, nor one node.

The argument. An epoch is decided when a majority of the voters of the epoch before has accepted it in one
ballot. Votes aren't signed (there are no identities yet), so a vote that somebody shows proves nothing: it
holds only when the voter itself says it, when this node dials it at the address under which it knows it. So
from an epoch that it knows a node goes over to a newer one when a majority of the known epoch's voters say,
each asked by itself, that they have gone on to it, or have accepted it in one and the same ballot; what they
have in common may be several epochs ahead, where they keep what lies between it is followed step by step. As
its own voters are a majority of those that it knew, and as data is set aside only on the way from one such
epoch to the next, data is set aside only when a majority of the members that the node knew has confirmed it.
A node counts itself only for what it has accepted itself.

Where voters are lost for good before all have heard, too few may be left to say so: then the open decision is
finished by Paxos itself (`TopologyProposer.finish_open`), in which the vote of this node counts too.

What can't be promised: that a majority of members lies, or that somebody takes over addresses of members. A
signature in each account would let anybody carry it; `Account` is the place for it. A fresh node, which has
nothing to lose, believes a majority of the voters of the document that names it, of which it must know one by
gossip; the first epoch, which is one founder's, it believes any of them that it knows.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

from limedb.aio.broadcast import ask_each
from limedb.cluster.topology.store import TopologyStore
from limedb.core.bounds import flaw
from limedb.core.quorum import majority
from limedb.core.topology import Topology, is_successor
from limedb.errors import LimeDBError
from limedb.ports import Account, Clock, TopologyTransport

log = logging.getLogger(__name__)

ASK_SECONDS = 1.0
"""How long a voter may take for its account."""
PAUSE_SECONDS = 0.2
"""Between two rounds of questions that proved nothing, so that claims can't make a node ask without end."""
MOST_STEPS = 64
"""Epochs that are followed at once."""


class Verifier:
    """Proves claims, and goes over to what is proven. knows: whether gossip knows a node, by its URL."""

    def __init__(
        self,
        topology_store: TopologyStore,
        transport: TopologyTransport,
        clock: Clock,
        knows: Callable[[str], bool],
    ) -> None:
        self._topology_store, self._transport = topology_store, transport
        self._clock, self._knows = clock, knows
        self._round: asyncio.Task[None] | None = None
        self._idle_since = float("-inf")
        self.open: Topology | None = None
        self.trouble = ""

    async def follow(self, claim: Topology) -> None:
        """Go over to what is proven, if a claim is news. Of those who come meanwhile all share one round."""
        if not self._topology_store.is_news(claim) or flaw(claim):
            return
        if self._round is None or self._round.done():
            self._round = asyncio.get_running_loop().create_task(self._ask_round(claim), name="prove")
        await asyncio.shield(self._round)

    async def close(self) -> None:
        """Cancel and await what still runs."""
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)

    async def _ask_round(self, claim: Topology) -> None:
        await asyncio.sleep(max(0.0, self._idle_since + PAUSE_SECONDS - self._clock.monotonic()))
        before = self._topology_store.topology
        if before.is_fresh:
            await self._begin(claim)
        else:
            await self._catch_up()
        if self._topology_store.topology == before:
            self._idle_since = self._clock.monotonic()

    # --- a member

    async def _catch_up(self) -> None:
        """Go on step by step, as long as a majority of the voters of where it stands says so."""
        for _ in range(MOST_STEPS):
            known = self._topology_store.topology
            accounts = await self._accounts(known)
            step = next(self._proven(known, accounts), None)
            if self._topology_store.topology != known or step is None:
                break
            self._topology_store.go_over(step)
        else:
            return
        if self._topology_store.topology == known:
            self._judge(known, accounts)

    async def _accounts(self, known: Topology) -> dict[str, Account]:
        """What the voters say, by id, until that is enough for a step."""
        ids = {
            voter.url: voter.node_id
            for voter in known.voters
            if voter.node_id != self._topology_store.node_id
        }
        accounts = self._own_account(known)

        def take(url: str, answer: Account | LimeDBError) -> bool:
            if isinstance(answer, Account) and _is_sound(answer):
                accounts[ids[url]] = answer
            return next(self._proven(known, accounts), None) is not None

        await ask_each(ids, lambda url: self._transport.account(url, known.epoch, ASK_SECONDS), take)
        return accounts

    def _own_account(self, known: Topology) -> dict[str, Account]:
        own = self._topology_store.node_id
        is_voter = any(voter.node_id == own for voter in known.voters)
        return {own: self._topology_store.account(known.epoch)} if is_voter else {}

    def _proven(self, known: Topology, accounts: Mapping[str, Account]) -> Iterator[Topology]:
        """What a majority of the voters says, the next epoch first."""
        need = majority(len(known.voters))
        for candidate in _candidates(known, accounts.values()):
            if len(_gone_on(candidate, accounts)) >= need or any(
                len(_gone_on(candidate, accounts) | voted) >= need
                for voted in _votes(known, candidate, accounts)
            ):
                yield candidate

    def _judge(self, known: Topology, accounts: Mapping[str, Account]) -> None:
        """Find what is in the way of a claim, or that there is nothing behind it."""
        candidates = [c for c in _candidates(known, accounts.values()) if _gone_on(c, accounts)]
        self.open = next((c for c in candidates if c.epoch == known.epoch + 1), None)
        self.trouble = ""
        if not candidates:
            if len(accounts) >= majority(len(known.voters)):
                self._topology_store.settle_claims()
            return
        silent = sorted(voter.url for voter in known.voters if voter.node_id not in accounts)
        said = max(len(_gone_on(candidate, accounts)) for candidate in candidates)
        self.trouble = (
            f"a member says that the cluster has gone on to epoch {candidates[-1].epoch}; this node, which"
            f" knows epoch {known.epoch}, follows only when {majority(len(known.voters))} of its"
            f" {len(known.voters)} voters say so: {said} do, and {', '.join(silent) or 'none'} of them don't"
            " answer. Bring them back; where they are gone for good, stop this node and see 'limedb"
            " repair-topology --help'"
        )

    # --- a fresh node

    async def _begin(self, claim: Topology) -> None:
        """Go over to a first topology."""
        own = self._topology_store.node_id
        others = {voter.url for voter in claim.voters if voter.node_id != own}
        is_voter = len(others) < len(claim.voters)
        need = 1 if claim.epoch == 1 else max(1, majority(len(claim.voters)) - is_voter)
        said: set[str] = set()

        def take(url: str, answer: Account | LimeDBError) -> bool:
            if isinstance(answer, Account) and answer.at(claim.epoch) == claim:
                said.add(url)
            return len(said) >= need and any(map(self._knows, said))

        await ask_each(
            sorted(others),
            lambda url: self._transport.account(url, claim.epoch - 1, ASK_SECONDS),
            take,
        )
        if len(said) >= need and any(map(self._knows, said)):
            self._topology_store.go_over(claim)
            self._topology_store.settle_claims()


def _is_sound(account: Account) -> bool:
    return not any(map(flaw, account.since))


def _candidates(known: Topology, accounts: Iterable[Account]) -> list[Topology]:
    """What voters have gone on to or accepted, that may come after the known epoch; the next epoch first."""
    found: dict[Topology, None] = {}
    for account in accounts:
        value = account.acceptor.value
        for topology in (*account.since, *((value,) if value and account.newest == known else ())):
            if topology.cluster_id != known.cluster_id or topology.epoch <= known.epoch:
                continue
            if topology.epoch > known.epoch + 1 or is_successor(known, topology):
                found[topology] = None
    return sorted(found, key=lambda topology: topology.epoch)


def _gone_on(candidate: Topology, accounts: Mapping[str, Account]) -> set[str]:
    return {voter for voter, account in accounts.items() if account.at(candidate.epoch) == candidate}


def _votes(known: Topology, candidate: Topology, accounts: Mapping[str, Account]) -> Iterator[set[str]]:
    """Those who have accepted it and not heard that it is decided, by ballot."""
    open_ = {
        v: a.acceptor for v, a in accounts.items() if a.newest == known and a.acceptor.value == candidate
    }
    for ballot in sorted({acceptor.accepted for acceptor in open_.values()}):
        yield {voter for voter, acceptor in open_.items() if acceptor.accepted == ballot}
