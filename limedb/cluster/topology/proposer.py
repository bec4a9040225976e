"""How this node has the next epoch decided, and tells the others.

It owns the proposer's side of Paxos and the tasks that push what was decided. It must never take anything
for decided that a majority of voters has not accepted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from random import Random

from limedb.aio.broadcast import ASK_SECONDS, ask_each
from limedb.cluster.topology.store import TopologyStore
from limedb.cluster.topology.verifier import Verifier
from limedb.core.paxos import Acceptor, Ballot, Proposer
from limedb.core.quorum import majority
from limedb.core.topology import Topology, is_successor
from limedb.errors import (
    LimeDBError,
    TopologyChangeError,
    UnavailableError,
)
from limedb.ports import TopologyTransport

log = logging.getLogger(__name__)

Step = Callable[[Topology], Topology]
Answer = Acceptor[Topology] | Topology
"""A voter's state; or what it says was decided, where it has gone on."""

ATTEMPTS = 12
BACKOFF = 0.05  # seconds: the longest first pause after a lost duel; it doubles, to a second
PUSH_TIMEOUT = 5.0
PATIENCE = 4.0
"""Seconds for which a voter that can't be reached is asked again in the same ballot: voters that are there by
turns, never enough at one moment, can decide all the same, for what each said stays said.
"""
AGAIN_SECONDS = 0.25


class TopologyProposer:
    """Has steps decided by the voters, this node among them or not. verifier: finds out what was decided,
    when others were first.
    """

    def __init__(
        self,
        own_url: str,
        topology_store: TopologyStore,
        transport: TopologyTransport,
        verifier: Verifier,
        rng: Random,
    ) -> None:
        self._own_url, self._topology_store, self._transport, self._rng = (
            own_url,
            topology_store,
            transport,
            rng,
        )
        self._verifier = verifier
        self._telling: set[asyncio.Task[None]] = set()

    async def decide(self, step: Step) -> Topology:
        """Have `step(<newest topology>)` decided; it returns when a majority has accepted it.

        The step is taken anew when another one came first. TopologyChangeError: it can't be taken (any more).
        UnavailableError: too few voters answer, or the duels don't end; it may be decided all the same.
        """
        ballot = self._new_ballot()
        for attempt in range(ATTEMPTS):
            before = self._topology_store.topology
            after = step(before)
            ballot = await self._attempt(before, Proposer(ballot, after, _ids(before)))
            if self._topology_store.topology == after:
                await self._topology_store.save()
                return after
            if self._topology_store.topology == before:
                await asyncio.sleep(self._rng.uniform(0, min(1.0, BACKOFF * 2**attempt)))
        raise UnavailableError("others kept proposing changes of the topology; try again")

    async def finish_open(self, before: Topology, value: Topology) -> None:
        """Have a decision finished that a voter says was made, where too few are left of those who know.

        It is an attempt like any other: whatever was decided, or may have been, is what it comes to.

        UnavailableError: too few voters answer.
        """
        if is_successor(before, value):
            await self._attempt(before, Proposer(self._new_ballot(), value, _ids(before)))

    def _new_ballot(self) -> Ballot:
        """A ballot above what this node promised, of a name that comes never twice, even after a crash."""
        name = f"{self._topology_store.node_id}/{self._rng.getrandbits(64):016x}"
        return Ballot(self._topology_store.saved.acceptor.promised.round + 1, name)

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
        prepare = self._prepare(before, ballot)
        await self._poll(before, prepare, proposer, proposer.on_promise, lambda: proposer.is_promised)
        if proposer.is_promised and self._topology_store.topology == before:
            proposal = proposer.proposal
            accept = self._accept(before, ballot, proposal)
            await self._poll(before, accept, proposer, proposer.on_accepted, lambda: proposer.is_decided)
            if proposer.is_decided and self._topology_store.topology == before:
                self._go_over(before, proposal)
        return proposer.next_ballot()

    async def _poll(
        self,
        before: Topology,
        ask: Callable[[str], Awaitable[Answer]],
        proposer: Proposer[Topology],
        count: Callable[[str, Acceptor[Topology]], None],
        is_enough: Callable[[], bool],
    ) -> None:
        """Ask all voters until enough said yes, or too few are left that could.

        A voter that has gone on says what was decided, and what a majority says is gone over to.
        UnavailableError: fewer than a majority answered.
        """
        voters = {voter.url: voter.node_id for voter in before.voters}
        missing: dict[str, str] = {}
        gone_on: dict[str, Topology] = {}

        def take(url: str, answer: Answer | LimeDBError) -> bool:
            if isinstance(answer, LimeDBError):
                missing[url] = str(answer)
            elif isinstance(answer, Acceptor):
                count(voters[url], answer)
            else:
                self._topology_store.adopt(answer)
                gone_on[url] = answer
                if is_successor(before, answer):
                    proposer.on_learned(voters[url], answer)
            return is_enough() or len(voters) - len(missing) - len(gone_on) < majority(len(voters))

        await ask_each(voters, lambda url: self._heard(before, url, ask), take)
        if gone_on and not is_enough():
            await self._verifier.follow(max(gone_on.values(), key=lambda topology: topology.epoch))
        if self._topology_store.topology == before and len(voters) - len(missing) < majority(len(voters)):
            why = "; ".join(f"{url}: {reason}" for url, reason in missing.items())
            raise UnavailableError(
                f"a change of the topology needs {majority(len(voters))} of {len(voters)} nodes, and these"
                f" don't answer: {why}; `limedb admin status` says what can be done"
            )

    async def _heard(self, before: Topology, url: str, ask: Callable[[str], Awaitable[Answer]]) -> Answer:
        """A voter's answer; of one that has gone on what it says of the very next epoch, if it knows."""
        answer = await _patiently(url, ask)
        if isinstance(answer, Acceptor) or answer.epoch == before.epoch + 1 or url == self._own_url:
            return answer
        account = await self._transport.account(url, before.epoch, ASK_SECONDS)
        return account.at(before.epoch + 1) or answer

    def _prepare(self, before: Topology, ballot: Ballot) -> Callable[[str], Awaitable[Answer]]:
        def ask(url: str) -> Awaitable[Answer]:
            if url == self._own_url:
                return self._topology_store.prepare(before, ballot)
            return self._transport.prepare(url, before, ballot, ASK_SECONDS)

        return ask

    def _accept(
        self, before: Topology, ballot: Ballot, after: Topology
    ) -> Callable[[str], Awaitable[Answer]]:
        def ask(url: str) -> Awaitable[Answer]:
            if url == self._own_url:
                return self._topology_store.accept(before, ballot, after)
            return self._transport.accept(url, before, ballot, after, ASK_SECONDS)

        return ask

    def _go_over(self, before: Topology, decided: Topology) -> None:
        log.info("epoch %d is decided: %s", decided.epoch, describe(decided))
        self._topology_store.go_over(decided)
        self.push(decided, {member.url for member in (*before.members, *decided.members)})

    async def _tell(self, url: str, topology: Topology) -> None:
        with suppress(LimeDBError):
            self._topology_store.adopt(await self._transport.learn(url, topology, PUSH_TIMEOUT))


async def _patiently(url: str, ask: Callable[[str], Awaitable[Answer]]) -> Answer:
    """A voter's answer, as soon as it can be reached within PATIENCE. LimeDBError."""
    now = asyncio.get_running_loop().time
    until = now() + PATIENCE
    while True:
        try:
            return await ask(url)
        except LimeDBError as error:
            if not error.may_pass or now() + AGAIN_SECONDS >= until:
                raise
        await asyncio.sleep(AGAIN_SECONDS)


def only_after(expected: Topology, step: Step) -> Step:
    """A step that is taken from one topology and no other: what was found out under it holds for it alone."""

    def guarded(before: Topology) -> Topology:
        if before != expected:
            raise TopologyChangeError(f"the topology has moved on to epoch {before.epoch}")
        return step(before)

    return guarded


def describe(topology: Topology) -> str:
    """A topology in words, for the log."""
    if topology.writes_suspended:
        return "the cluster gives way to another one"
    who = ", ".join(f"{member.url} is {member.standing}" for member in topology.changing)
    return f"{topology.phase}, {len(topology.members)} nodes{': ' if who else ''}{who}"


def _ids(topology: Topology) -> frozenset[str]:
    return frozenset(voter.node_id for voter in topology.voters)
