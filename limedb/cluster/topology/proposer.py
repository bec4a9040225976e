"""How this node gets the next epoch decided, and sends it to the others.

It owns the proposer's side of Paxos and the tasks that push decisions. It must never take anything for
decided that a majority of voters has not accepted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from random import Random

from limedb.aio.broadcast import ASK_SECONDS
from limedb.aio.quorum_driver import QuorumDriver
from limedb.aio.tasks import Tasks
from limedb.cluster.topology.store import TopologyStore
from limedb.cluster.topology.verifier import Verifier
from limedb.core.paxos import Acceptor, Ballot, Proposer
from limedb.core.quorum import majority
from limedb.core.quorum_call import QuorumCall, Tally
from limedb.core.topology import Topology, is_successor
from limedb.errors import (
    LimeDBError,
    TopologyChangeError,
    UnavailableError,
)
from limedb.ports import Clock, TopologyTransport

log = logging.getLogger(__name__)

Step = Callable[[Topology], Topology]
Answer = Acceptor[Topology] | Topology
"""A voter's state; or the newer topology that it knows."""

ATTEMPTS = 12
BACKOFF = 0.05  # seconds: the longest first pause after a lost duel; it doubles, to a second
PUSH_TIMEOUT = 5.0
POLL_SECONDS = 12.0
"""The time by which every voter has answered or failed: PATIENCE, an answer, and an account of decisions."""
PATIENCE = 4.0
"""Seconds for which an unreachable voter is asked again in the same ballot: voters can decide even if never
enough are reachable at one moment, since each promise and vote stays.
"""
AGAIN_SECONDS = 0.25


class Votes(Tally[Answer]):
    """The voters' answers to one step of a ballot.

    gone_on: topologies of voters that know a newer one. missing: voters that didn't answer, and why.
    """

    __slots__ = ("_count", "_learn", "before", "gone_on", "missing", "voters")

    def __init__(
        self,
        before: Topology,
        count: Callable[[str, Acceptor[Topology]], bool],
        learn: Callable[[str, Topology], bool],
    ) -> None:
        """count, learn: of core.paxos.Proposer; whether that is a vote."""
        self.voters = {voter.url: voter.node_id for voter in before.voters}
        super().__init__(majority(len(self.voters)), self.voters)
        self.before, self._count, self._learn = before, count, learn
        self.gone_on: list[Topology] = []
        self.missing: dict[str, str] = {}

    @property
    def too_few_answer(self) -> bool:
        """Whether those that answer can't form a majority."""
        return len(self.voters) - len(self.missing) < self.need

    def take(self, node_url: str, answer: Answer) -> None:
        """Count a vote; a voter that did otherwise than asked has failed."""
        voter = self.voters[node_url]
        if isinstance(answer, Acceptor):
            is_vote = self._count(voter, answer)
        else:
            self.gone_on.append(answer)
            is_vote = is_successor(self.before, answer) and self._learn(voter, answer)
        if is_vote:
            self.ack()
        else:
            self.fail()

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """Count a voter that didn't answer."""
        self.fail()
        self.missing[node_url] = str(error)


class TopologyProposer:
    """Lets the voters decide steps, whether or not this node is one of them. transport: reaches all nodes,
    this one included. verifier: finds the decision, when others were first.
    """

    def __init__(
        self,
        topology_store: TopologyStore,
        transport: TopologyTransport,
        verifier: Verifier,
        clock: Clock,
        rng: Random,
        driver_class: type[QuorumDriver] = QuorumDriver,
    ) -> None:
        self._topology_store, self._transport, self._verifier = topology_store, transport, verifier
        self._clock, self._rng = clock, rng
        self._tasks = Tasks()
        self._driver = driver_class(clock, self._tasks)

    async def decide(self, step: Step) -> Topology:
        """Get `step(<newest topology>)` decided; return when a majority has accepted it.

        If another step came first, it applies this one again. TopologyChangeError: the step isn't possible
        (any more). UnavailableError: too few voters answer, or the duels don't stop; the step may be decided
        all the same.
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
        """Complete a decision that a voter reports, if too few of those that know it are left.

        It is an attempt like any other: it arrives at the value that was decided, or may have been.

        UnavailableError: too few voters answer.
        """
        if is_successor(before, value):
            await self._attempt(before, Proposer(self._new_ballot(), value, _ids(before)))

    def _new_ballot(self) -> Ballot:
        """A ballot above those that this node promised, under a name that is never used twice, even after a
        crash.
        """
        name = f"{self._topology_store.node_id}/{self._rng.getrandbits(64):016x}"
        return Ballot(self._topology_store.saved.acceptor.promised.round + 1, name)

    def push(self, topology: Topology, urls: Iterable[str]) -> None:
        """Send a topology to nodes, soon and once; gossip informs those that it doesn't reach."""
        for url in sorted(set(urls)):
            self._tasks.start(self._send(url, topology))

    async def close(self) -> None:
        """Cancel and await what still runs."""
        await self._tasks.close(0)

    async def _attempt(self, before: Topology, proposer: Proposer[Topology]) -> Ballot:
        """Make one attempt, and adopt a decided or newer topology. Return the ballot for another attempt."""
        ballot = proposer.ballot
        promises = Votes(before, proposer.on_promise, proposer.on_learned)
        await self._poll(promises, lambda url: self._transport.prepare(url, before, ballot, ASK_SECONDS))
        if promises.is_enough and self._topology_store.topology == before:
            proposal = proposer.proposal
            votes = Votes(before, proposer.on_accepted, proposer.on_learned)
            await self._poll(
                votes, lambda url: self._transport.accept(url, before, ballot, proposal, ASK_SECONDS)
            )
            if votes.is_enough and self._topology_store.topology == before:
                self._go_over(before, proposal)
        return proposer.next_ballot()

    async def _poll(self, votes: Votes, send: Callable[[str], Awaitable[Answer]]) -> None:
        """Ask all voters until enough did as asked, or too few could still do so.

        A voter that knows a newer topology names it; the node adopts one that a majority names.
        UnavailableError: fewer than a majority answered.
        """
        call = QuorumCall((votes,), self._clock.monotonic() + POLL_SECONDS)

        async def ask(url: str, _: Sequence[Votes]) -> Sequence[Answer]:
            answer = await _patiently(lambda: send(url), lambda: call.verdict is not None)
            return (await self._next_epoch(votes.before, url, answer),)

        await self._driver.run(call, ask)
        if votes.gone_on and not votes.is_enough:
            await self._verifier.follow(max(votes.gone_on, key=lambda topology: topology.epoch))
        if self._topology_store.topology == votes.before and votes.too_few_answer:
            why = "; ".join(f"{url}: {reason}" for url, reason in votes.missing.items())
            raise UnavailableError(
                f"a change of the topology needs {votes.need} of {len(votes.voters)} nodes, and these"
                f" don't answer, or refuse it: {why}; `limedb admin status` says what can be done"
            )

    async def _next_epoch(self, before: Topology, url: str, answer: Answer) -> Answer:
        """A voter's answer; of one that knows a newer topology, the very next epoch if it knows that."""
        if isinstance(answer, Acceptor):
            return answer
        self._topology_store.adopt(answer)
        if answer.epoch == before.epoch + 1:
            return answer
        account = await self._transport.account(url, before.epoch, ASK_SECONDS)
        return account.at(before.epoch + 1) or answer

    def _go_over(self, before: Topology, decided: Topology) -> None:
        log.info("epoch %d is decided: %s", decided.epoch, describe(decided))
        self._topology_store.go_over(decided)
        self.push(decided, {member.url for member in (*before.members, *decided.members)})

    async def _send(self, url: str, topology: Topology) -> None:
        with suppress(LimeDBError):
            self._topology_store.adopt(await self._transport.learn(url, topology, PUSH_TIMEOUT))


async def _patiently(send: Callable[[], Awaitable[Answer]], is_over: Callable[[], bool]) -> Answer:
    """A voter's answer, as soon as it can be reached within PATIENCE, while it is needed. LimeDBError."""
    now = asyncio.get_running_loop().time
    until = now() + PATIENCE
    while True:
        try:
            return await send()
        except LimeDBError as error:
            if not error.may_pass or now() + AGAIN_SECONDS >= until or is_over():
                raise
        await asyncio.sleep(AGAIN_SECONDS)


def only_after(expected: Topology, step: Step) -> Step:
    """A step from one topology only: its conditions were checked under that one."""

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
