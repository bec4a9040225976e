"""Asks the replicas of keys for steps of agreements, one call to each, and counts who did as asked.

It owns the sends, which go on when the answer is out. It must never choose what to propose, nor try again:
`proposer.py` does.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from limedb.aio.tasks import Tasks
from limedb.core.idempotency import FIRST, Proposal, State, is_accepted, quorum
from limedb.core.layout import Owners
from limedb.core.quorum import Level
from limedb.core.topology import Fence
from limedb.errors import LevelUnreachableError, LimeDBError, OutcomeUnknownError, StaleEpochError
from limedb.ports import Clock, Replicas
from limedb.replication.replica_errors import failure_text


class Poll:
    """A proposal and the replicas' answers. states: of those that did as asked. missing: who didn't, and why.
    waiting: how many were asked and have not answered. is_contested: another attempt was made.
    """

    __slots__ = ("is_contested", "missing", "need", "owners", "proposal", "states", "waiting")

    def __init__(self, proposal: Proposal, owners: Owners) -> None:
        self.proposal, self.owners, self.need = proposal, owners, quorum(owners)
        self.states: list[State] = []
        self.missing: dict[str, str] = {}
        self.waiting, self.is_contested = 0, proposal.ballot.round > FIRST

    @property
    def is_won(self) -> bool:
        """Whether enough replicas did as asked."""
        return len(self.states) >= self.need

    @property
    def is_decided(self) -> bool:
        """Whether waiting can change nothing."""
        return self.is_won or len(self.states) + self.waiting < self.need

    def answer(self, node_url: str, state: State | None) -> None:
        """Count an answer."""
        self.waiting -= 1
        if state is None:
            self.missing[node_url] = (
                "it can't tell of writes that began so long ago, or before owners changed"
            )
        elif is_accepted(state, self.proposal):
            self.states.append(state)
        else:
            self.missing[node_url] = "it knows another attempt"
            self.is_contested = True

    def error(self, key: str) -> LimeDBError:
        """Why it was not won."""
        if self.is_contested:
            return OutcomeUnknownError(key, self.need, 0, self.missing)
        total = len(self.owners.write_set)
        live = total - len(self.missing)
        return LevelUnreachableError(key, Level.QUORUM, self.need, live, total, self.missing)


class Round:
    """Polls that are asked together."""

    def __init__(self, polls: Sequence[Poll], fence: Fence, deadline: float) -> None:
        self.polls, self.fence, self.deadline = polls, fence, deadline
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stale: StaleEpochError | None = None

    def settle(self) -> None:
        """Look whether all is decided."""
        if not self.done.done() and (self.stale or all(poll.is_decided for poll in self.polls)):
            self.done.set_result(None)


class Poller:
    """Asks replicas."""

    def __init__(self, replicas: Replicas, clock: Clock, tasks: Tasks) -> None:
        self._replicas, self._clock, self._tasks = replicas, clock, tasks

    async def run(self, round_: Round) -> None:
        """Ask until all is decided, or the deadline has come."""
        shares: dict[str, list[Poll]] = defaultdict(list)
        for poll in round_.polls:
            for url in poll.owners.write_set:
                if self._replicas.is_reachable(url):
                    poll.waiting += 1
                    shares[url].append(poll)
                else:
                    poll.missing[url] = self._replicas.absence(url)
        round_.settle()
        left = round_.deadline - self._clock.monotonic()
        if round_.done.done():  # too few can be reached: nothing is begun that can't be finished
            return
        timer = asyncio.get_running_loop().call_later(left, _expire, round_.done)
        try:
            for url, share in shares.items():
                self._tasks.start(self._send(url, share, round_))
            await round_.done
        finally:
            timer.cancel()

    async def _send(self, node_url: str, polls: list[Poll], round_: Round) -> None:
        proposals = [poll.proposal for poll in polls]
        try:
            states = await self._replicas.at(node_url).agree(proposals, round_.fence, round_.deadline)
        except LimeDBError as error:
            if isinstance(error, StaleEpochError):
                round_.stale = error
            for poll in polls:
                poll.waiting -= 1
                poll.missing[node_url] = failure_text(error)
        except Exception as error:
            if not round_.done.done():
                round_.done.set_exception(error)
            raise
        else:
            for poll, state in zip(polls, states, strict=True):
                poll.answer(node_url, state)
        round_.settle()


def _expire(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
