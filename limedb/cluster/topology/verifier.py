"""How this node comes to believe in a newer topology.

It owns the questions to the members that it knows (`accounts.py` counts their answers). It must never believe
a single message, nor a single node.

The argument. An epoch is decided when a majority of the voters of the epoch before has accepted it in one
ballot. Votes aren't signed, so a vote that somebody shows proves nothing: it counts only when the voter
itself reports it, when this node dials it at its known address, and with certificates only if the node that
answers proves to be that voter. So from an epoch that it knows, a node adopts a newer one when a majority of
the known epoch's voters report, each asked separately, that they have adopted it, or have accepted it in the
same ballot. The epoch that they have in common may be several epochs ahead; if they keep the ones in between,
the node follows step by step. Since the voters that it asks are those of the known epoch, and since data is
set aside only on the way from one such epoch to the next, data is set aside only when a majority of the
members that the node knew has confirmed it. A node counts itself only for epochs that it has accepted itself.

If voters are permanently lost before all have heard, too few may remain to report it: then Paxos itself
completes the open decision (`TopologyProposer.finish_open`), in which the vote of this node counts too.

This doesn't protect against a majority of lying members, nor against somebody who takes over addresses of
members. With a signature in each account, anybody could carry it; `Account` is the place for it. A fresh
node, which has nothing to lose, believes a majority of the voters of the document that names it, of which it
must know one by gossip; for the first epoch, which one founder decided, it believes any voter that it knows.
`first_claims.py` decides of which cluster that document may be.
"""

import asyncio
import logging
from collections.abc import Sequence

from limedb.aio.quorum_driver import QuorumDriver
from limedb.aio.tasks import Tasks
from limedb.cluster.topology.accounts import Accounts, FirstAccounts
from limedb.cluster.topology.first_claims import FirstClaims
from limedb.cluster.topology.store import TopologyStore
from limedb.core.bounds import flaw
from limedb.core.quorum_call import QuorumCall, Tally
from limedb.core.topology import Topology
from limedb.ports import Account, Clock, TopologyTransport

log = logging.getLogger(__name__)

ASK_SECONDS = 1.0
"""How long a voter may take for its account."""
POLL_SECONDS = 2 * ASK_SECONDS
"""The time by which every voter has answered or failed."""
PAUSE_SECONDS = 0.2
"""The time between two rounds of questions that proved nothing, so that claims can't make a node ask
endlessly.
"""
MOST_STEPS = 64
"""The most epochs that a node follows at once."""


class Verifier:
    """Proves claims, and adopts proven topologies. first_claims: decides what a fresh node may believe."""

    def __init__(
        self,
        topology_store: TopologyStore,
        transport: TopologyTransport,
        clock: Clock,
        first_claims: FirstClaims,
        driver_class: type[QuorumDriver] = QuorumDriver,
    ) -> None:
        self._topology_store, self._transport = topology_store, transport
        self._clock, self._first_claims = clock, first_claims
        self._tasks = Tasks()
        self._driver = driver_class(clock, self._tasks)
        self._round: asyncio.Task[None] | None = None
        self._idle_since = float("-inf")
        self.open: Topology | None = None
        self.trouble = ""

    async def follow(self, claim: Topology) -> None:
        """Adopt a proven topology, if a claim is new. All callers that come meanwhile share one round."""
        if not self._topology_store.is_news(claim) or flaw(claim) or not await self._may_be_ours(claim):
            return
        if self._round is None or self._round.done():
            self._round = asyncio.get_running_loop().create_task(self._ask_round(claim), name="prove")
        await asyncio.shield(self._round)

    async def _may_be_ours(self, claim: Topology) -> bool:
        """Whether it is of the own cluster, as far as that is known. It takes no round from other claims."""
        return not self._topology_store.topology.is_fresh or await self._first_claims.may_be_ours(claim)

    async def close(self) -> None:
        """Cancel and await what still runs."""
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)
        await self._tasks.close(0)

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
        """Proceed step by step, as long as a majority of the voters of the present epoch confirms the
        next.
        """
        for _ in range(MOST_STEPS):
            known = self._topology_store.topology
            accounts = await self._accounts(known)
            if self._topology_store.topology != known or accounts.proven is None:
                break
            self._topology_store.go_over(accounts.proven)
        else:
            return
        if self._topology_store.topology == known:
            self._judge(accounts)

    async def _accounts(self, known: Topology) -> Accounts:
        """The voters' accounts, until they are enough for a step."""
        own = self._topology_store.account(known.epoch)
        accounts = Accounts(known, self._topology_store.node_id, own)
        await self._ask(accounts, known.epoch)
        return accounts

    def _judge(self, accounts: Accounts) -> None:
        """Find the obstacle to a claim, or that the claim is false."""
        known, candidates = accounts.known, accounts.candidates()
        self.open = next((c for c in candidates if c.epoch == known.epoch + 1), None)
        self.trouble = ""
        if not candidates:
            if len(accounts.by_voter) >= accounts.need:
                self._topology_store.settle_claims()
            return
        silent = sorted(voter.url for voter in known.voters if voter.node_id not in accounts.by_voter)
        said = max(len(accounts.gone_on(candidate)) for candidate in candidates)
        self.trouble = (
            f"a member says that the cluster has gone on to epoch {candidates[-1].epoch}; this node, which"
            f" knows epoch {known.epoch}, follows only when {accounts.need} of its"
            f" {len(known.voters)} voters say so: {said} do, and {', '.join(silent) or 'none'} of them don't"
            " answer. Bring them back; where they are gone for good, stop this node and see 'limedb"
            " repair-topology --help'"
        )

    # --- a fresh node

    async def _begin(self, claim: Topology) -> None:
        """Adopt a first topology."""
        accounts = FirstAccounts(claim, self._topology_store.node_id, self._first_claims.knows)
        await self._ask(accounts, claim.epoch - 1)
        if accounts.is_enough:
            self._topology_store.go_over(claim)
            self._topology_store.settle_claims()

    # --- both

    async def _ask(self, tally: Tally[Account], after: int) -> None:
        """Ask voters for their accounts of the epochs after one."""
        call = QuorumCall((tally,), self._clock.monotonic() + POLL_SECONDS)

        async def ask(url: str, _: Sequence[Tally[Account]]) -> Sequence[Account]:
            return (await self._transport.account(url, after, ASK_SECONDS),)

        await self._driver.run(call, ask)
