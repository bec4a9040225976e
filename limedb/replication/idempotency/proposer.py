"""Agrees with the replicas of a key on the version of an operation (`core/idempotency.py` explains why).

It owns the rounds of one attempt: promises, for attempts after the first; a read of the newest versions, if
nothing is agreed yet; the accepts. It must never send a record: when the version is agreed, `write/writer.py`
does, as for any write whose version is above all that a majority had.

Why an operation takes effect once. All its records have one version, since only the one that a quorum has
accepted is sent; so they are one write to the register, repeated. It was chosen above all versions that a
majority had after some attempt had begun, so it comes after all writes acknowledged before; a newer record
that turns up afterwards belongs to a concurrent write. Whichever attempt gets an answer, in the end a quorum
holds the record or something newer. Late messages change nothing: a proposal meets the promises of later
attempts, and a record is the known one. An attempt never guesses: where replicas have forgotten (after ten
minutes), or all owners have changed, the outcome stays unknown.
"""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b

from limedb.aio.quorum_driver import QuorumDriver
from limedb.core.idempotency import FIRST, MARGIN_MS, MAX_AGE_MS, AgreedVersion, Proposal, WriteId, pick_value
from limedb.core.layout import Layout
from limedb.core.paxos import Ballot
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.errors import (
    InvalidRequestError,
    LimeDBError,
    OutcomeUnknownError,
    StaleEpochError,
)
from limedb.ports import Clock, Placement, Replicas
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.idempotency.rounds import PaxosRound, PaxosRounds
from limedb.replication.requests import MAX_RESTARTS, Counters, Write
from limedb.replication.stale_epoch import follow_topology
from limedb.replication.write.newcomers import Pauses
from limedb.replication.write.pending import PendingWrite, as_unknown_if_maybe_stored

MAX_AHEAD_MS = MARGIN_MS // 2
"""How far in the future a write may have begun: clients' clocks are not ours."""

Learn = Callable[[Sequence[PendingWrite], float], Awaitable[None]]
"""Gives jobs a version above all versions that a majority of their owners has, or an outcome."""


class Attempt:
    """One attempt of an operation. agreed: its version, once it is known."""

    __slots__ = ("agreed", "ballot", "job", "operation")

    def __init__(self, job: PendingWrite, operation: WriteId, ballot: Ballot) -> None:
        self.job, self.operation, self.ballot = job, operation, ballot
        self.agreed: AgreedVersion | None = None

    @property
    def proposal(self) -> Proposal:
        """The proposal to send now."""
        return Proposal(self.operation, self.ballot, self.agreed)


class IdempotencyProposer:
    """Settles the versions of operations. new_proposer: a name for each attempt, 16 characters that no other
    attempt at any node has.
    """

    def __init__(
        self,
        placement: Placement,
        replicas: Replicas,
        clock: Clock,
        skew: ClockSkewGuard,
        driver: QuorumDriver,
        counters: Counters,
        learn: Learn,
        new_proposer: Callable[[], str],
    ) -> None:
        self._placement, self._clock, self._skew, self._counters = placement, clock, skew, counters
        self._replicas, self._rounds = replicas, PaxosRounds(replicas, driver)
        self._learn, self._new_proposer = learn, new_proposer

    async def settle(self, jobs: Sequence[PendingWrite], deadline: float) -> None:
        """Give each job the agreed record of its operation, or an outcome."""
        attempts = [attempt for job in jobs if (attempt := self._begin(job)) is not None]
        later = [attempt for attempt in attempts if attempt.ballot.round > FIRST]
        for attempt, answer in zip(later, await self._ask(later, deadline), strict=True):
            self._promised(attempt, answer)
        await self._propose([a for a in attempts if a.agreed is None and a.job.outcome is None], deadline)
        ready = [attempt for attempt in attempts if attempt.job.outcome is None]
        for attempt, answer in zip(ready, await self._ask(ready, deadline), strict=True):
            self._accepted(attempt, answer)

    # --- one attempt

    def _begin(self, job: PendingWrite) -> Attempt | None:
        """The attempt of a job; None: it is refused."""
        write, now = job.write, self._skew.clients_ms()
        job.may_be_stored = write.attempt > 0
        began = began_ms(write.idempotency_key)
        if not now - MAX_AGE_MS <= began <= now + MAX_AHEAD_MS:
            job.outcome = as_unknown_if_maybe_stored(job, InvalidRequestError(_misdated(began, now)))
            return None
        ballot = Ballot(FIRST + write.attempt, self._new_proposer())
        return Attempt(job, operation_of(write), ballot)

    def _promised(self, attempt: Attempt, answer: PaxosRound | LimeDBError) -> None:
        """Take in the answers to a prepare."""
        if isinstance(answer, LimeDBError) or not answer.is_enough:
            self._fail(attempt, answer)
            return
        try:
            owners = answer.owners
            sides = ((owners.natural, owners.replicas), (owners.others, owners.other_replicas))
            attempt.agreed = pick_value(answer.states, sides)
        except LimeDBError as error:
            self._fail(attempt, error)

    async def _propose(self, attempts: Sequence[Attempt], deadline: float) -> None:
        """Choose a version where none is agreed yet."""
        if not attempts:
            return
        try:
            await self._learn([attempt.job for attempt in attempts], deadline)
        except LimeDBError as error:
            for attempt in attempts:
                attempt.job.outcome = error
        for attempt in attempts:
            job = attempt.job
            if isinstance(job.outcome, LimeDBError):
                job.outcome = as_unknown_if_maybe_stored(job, job.outcome)
            elif job.record is not None:
                attempt.agreed = AgreedVersion(job.record.version, job.record.expires_at, job.existed)

    def _accepted(self, attempt: Attempt, answer: PaxosRound | LimeDBError) -> None:
        """Take in the answers to an accept: from here on it is a write like any other."""
        job, agreed = attempt.job, attempt.agreed
        if isinstance(answer, LimeDBError) or not answer.is_enough or agreed is None:
            self._fail(attempt, answer)
            return
        write = job.write
        had_passed = write.expires_at_ms and not agreed.expires_at  # when this was agreed: see `record_of`
        value = None if had_passed else write.value
        job.record = Record(write.key, value, agreed.version, agreed.expires_at)
        job.existed, job.version_is_final = agreed.existed, True

    def _fail(self, attempt: Attempt, answer: PaxosRound | LimeDBError) -> None:
        job = attempt.job
        job.need = 1 if isinstance(answer, LimeDBError) else answer.need
        error = answer if isinstance(answer, LimeDBError) else answer.error(job.write.key)
        job.outcome = (
            error if isinstance(error, OutcomeUnknownError) else as_unknown_if_maybe_stored(job, error)
        )

    # --- one round

    async def _ask(self, attempts: Sequence[Attempt], deadline: float) -> list[PaxosRound | LimeDBError]:
        """Ask the replicas of each, until it is decided or the deadline has passed.

        New owners that have not yet heard that they are owners delay it: then it sends the same proposals
        once more, as `write/newcomers.py` does with records. A proposal that a replica has accepted changes
        nothing when it comes again, and each round counts by itself.
        """
        if not attempts:
            return []
        pauses, restart = Pauses(self._clock, deadline), 0
        while True:
            layout = self._placement.layout
            try:
                rounds = [
                    PaxosRound(a.proposal, layout.of_key(a.job.write.key), self._replicas) for a in attempts
                ]
            except LimeDBError as error:  # it belongs to no cluster
                return [error] * len(attempts)
            stale = await self._rounds.run(rounds, layout.topology.fence, deadline)
            if stale is not None:
                restart += 1
                if restart == MAX_RESTARTS or not self._follow(stale, layout):
                    return [stale] * len(attempts)
            elif pauses.is_time_left and any(each.is_held_up for each in rounds):
                await pauses.wait()
            else:
                return list(rounds)

    def _follow(self, error: StaleEpochError, layout: Layout) -> bool:
        """Adopt the newer topology that a replica knows; return whether a newer one is now in force."""
        self._counters.stale_restarts += 1
        return follow_topology(self._placement, error, layout)


def began_ms(idempotency_key: bytes) -> int:
    """When an operation began, by its key: milliseconds since 1970."""
    return int.from_bytes(idempotency_key[:6], "big")


def operation_of(write: Write) -> WriteId:
    """The operation of a write: it is for one key, and other content makes another operation."""
    value = write.value
    content = value.encode() if isinstance(value, str) else value or b""
    hashed = blake2b(digest_size=16)
    parts = [
        write.idempotency_key,
        write.key.encode(),
        type(value).__name__.encode(),
        content,
        b"%d" % write.ttl_ms,
    ]
    if write.expires_at_ms:  # nodes from before this field hash the writes without it alike
        parts.append(b"%d" % write.expires_at_ms)
    if write.is_conditional:
        parts.append(repr((write.condition, write.keep_ttl)).encode())
    if write.edit is not None:
        parts.append(repr(write.edit).encode())
    if write.lease:
        parts.append(b"lease %d" % write.lease)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)
    return WriteId(hashed.digest(), token_of(write.key), began_ms(write.idempotency_key))


def _misdated(began: int, now: int) -> str:
    """What is wrong with the time in a key."""
    if began > now:
        return (
            f"the idempotency key is {began - now} ms ahead of the cluster's time, more than {MAX_AHEAD_MS}:"
            " set the client's clock right (NTP)"
        )
    return (
        f"the idempotency key is {now - began} ms old: a write can be tried again for {MAX_AGE_MS} ms;"
        " its first 6 bytes are the milliseconds since 1970 when the write began, big-endian"
    )
