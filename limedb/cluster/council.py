"""How this node has the next epoch decided, and tells the others.

It owns the proposer's side of Paxos and the tasks that push what was decided. It must never take anything
for decided that a majority of voters has not accepted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from random import Random

from limedb.cluster.asking import ASK_TIMEOUT, ask_each
from limedb.cluster.charter import Charter
from limedb.core.paxos import Acceptor, Ballot, Proposer
from limedb.core.quorum import majority
from limedb.core.topology import Topology
from limedb.errors import LimeDBError, TopologyChangeError, UnavailableError
from limedb.ports import TopologyTransport

log = logging.getLogger(__name__)

Step = Callable[[Topology], Topology]
Answer = Acceptor[Topology] | Topology

ATTEMPTS = 12
BACKOFF = 0.05  # seconds: the longest first pause after a lost duel; it doubles, to a second
PUSH_TIMEOUT = 5.0


class Council:
    """Has steps decided by the voters, this node among them or not."""

    def __init__(self, own_url: str, charter: Charter, transport: TopologyTransport, rng: Random) -> None:
        self._own_url, self._charter, self._transport, self._rng = own_url, charter, transport, rng
        self._telling: set[asyncio.Task[None]] = set()

    async def decide(self, step: Step) -> Topology:
        """Have `step(<newest topology>)` decided; it returns when a majority has accepted it.

        The step is taken anew when another one came first. TopologyChangeError: it can't be taken (any more).
        UnavailableError: too few voters answer, or the duels don't end; it may be decided all the same.
        """
        proposer = (
            f"{self._charter.node_id}/{self._rng.getrandbits(64):016x}"  # never twice, even after a crash
        )
        ballot = Ballot(self._charter.saved.acceptor.promised.round + 1, proposer)
        for attempt in range(ATTEMPTS):
            before = self._charter.topology
            after = step(before)
            ballot = await self._attempt(before, Proposer(ballot, after, _ids(before)))
            if self._charter.topology == after:
                await self._charter.save()
                return after
            if self._charter.topology == before:
                await asyncio.sleep(self._rng.uniform(0, min(1.0, BACKOFF * 2**attempt)))
        raise UnavailableError("others kept proposing changes of the topology; try again")

    def push(self, topology: Topology, urls: Iterable[str]) -> None:
        """Tell nodes of a topology, soon and once; gossip is for those whom it doesn't reach."""
        for url in sorted(set(urls) - {self._own_url}):
            task = asyncio.get_running_loop().create_task(self._tell(url, topology), name=f"tell {url}")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """Cancel and await what still runs."""
        for task in list(self._telling):
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _attempt(self, before: Topology, proposer: Proposer[Topology]) -> Ballot:
        """One attempt; what was decided or is newer is adopted. The ballot for another one."""
        ballot = proposer.ballot
        await self._poll(
            before, self._prepare(before, ballot), proposer.on_promise, lambda: proposer.is_promised
        )
        if proposer.is_promised and self._charter.topology == before:
            proposal = proposer.proposal
            accept = self._accept(before, ballot, proposal)
            await self._poll(before, accept, proposer.on_accepted, lambda: proposer.is_decided)
            if proposer.is_decided:
                self._adopt(before, proposal)
        return proposer.next_ballot()

    async def _poll(
        self,
        before: Topology,
        ask: Callable[[str], Awaitable[Answer]],
        count: Callable[[str, Acceptor[Topology]], None],
        is_enough: Callable[[], bool],
    ) -> None:
        """Ask all voters until enough said yes, one knows a newer topology, or all have answered.

        UnavailableError: fewer than a majority answered.
        """
        voters = {voter.url: voter.node_id for voter in before.voters}
        missing: dict[str, str] = {}

        def take(url: str, answer: Answer | LimeDBError) -> bool:
            if isinstance(answer, LimeDBError):
                missing[url] = str(answer)
            elif isinstance(answer, Topology):
                self._charter.adopt(answer)
                return self._charter.topology != before
            else:
                count(voters[url], answer)
            return is_enough() or len(voters) - len(missing) < majority(len(voters))

        await ask_each(voters, ask, take)
        if self._charter.topology == before and len(voters) - len(missing) < majority(len(voters)):
            why = "; ".join(f"{url}: {reason}" for url, reason in missing.items())
            raise UnavailableError(
                f"a change of the topology needs {majority(len(voters))} of {len(voters)} nodes, and these"
                f" don't answer: {why}; `limedb admin status` says what can be done"
            )

    def _prepare(self, before: Topology, ballot: Ballot) -> Callable[[str], Awaitable[Answer]]:
        def ask(url: str) -> Awaitable[Answer]:
            if url == self._own_url:
                return self._charter.prepare(before, ballot)
            return self._transport.prepare(url, before, ballot, ASK_TIMEOUT)

        return ask

    def _accept(
        self, before: Topology, ballot: Ballot, after: Topology
    ) -> Callable[[str], Awaitable[Answer]]:
        def ask(url: str) -> Awaitable[Answer]:
            if url == self._own_url:
                return self._charter.accept(before, ballot, after)
            return self._transport.accept(url, before, ballot, after, ASK_TIMEOUT)

        return ask

    def _adopt(self, before: Topology, decided: Topology) -> None:
        log.info("epoch %d is decided: %s", decided.epoch, describe(decided))
        self._charter.adopt(decided)
        self.push(decided, {member.url for member in (*before.members, *decided.members)})

    async def _tell(self, url: str, topology: Topology) -> None:
        with suppress(LimeDBError):
            self._charter.adopt(await self._transport.learn(url, topology, PUSH_TIMEOUT))


def only_after(expected: Topology, step: Step) -> Step:
    """A step that is taken from one topology and no other: what was found out under it holds for it alone."""

    def guarded(before: Topology) -> Topology:
        if before != expected:
            raise TopologyChangeError(f"the topology has moved on to epoch {before.epoch}")
        return step(before)

    return guarded


def describe(topology: Topology) -> str:
    """A topology in words, for the log."""
    if topology.gives_way:
        return "the cluster gives way to another one"
    who = ", ".join(f"{member.url} is {member.standing}" for member in topology.changing)
    return f"{topology.phase}, {len(topology.members)} nodes{': ' if who else ''}{who}"


def _ids(topology: Topology) -> frozenset[str]:
    return frozenset(voter.node_id for voter in topology.voters)
