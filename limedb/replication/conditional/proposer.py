"""Carries out writes that depend on the current state of their key: promises, the judgement, the record, and
its fate. The operation itself judges the current record and makes the next one (`operation.py`).

It owns each operation from its first ballot to its outcome. `core/conditional.py` argues why an outcome is
true. The consequences here:

1. It judges a condition on the newest record of a joint quorum that has promised the ballot, at the time in
   the ballot, so that all nodes judge alike whether a value has expired.
2. It reports a failed condition only once the judged record is on a joint quorum. Where it isn't yet, it
   writes the record back under its own version, as a read does. That fails where a coordinator died in the
   middle of a later write; then it writes the content again under the ballot, which overrides the other one.
   The version changes though nobody wrote, so it is the last resort: a lock's holder knows its version.
3. A record that was sent and did not reach a quorum is not a failure. The next promises show its fate.
4. An attempt that may be on some replica still follows the record that it was judged on. Let r be on a
   majority, and the condition fail for it. If the attempt's ballot is below r, it is overtaken. If it is
   above, one of the replicas that promised it has r, from before its promise (rule W), so it was judged on r,
   and failed. Two things can change the judgement on r: r has expired since, and may be purged; or the
   condition names a version above r, which only a write at ONE can have had. Then it finally overrides the
   attempt in the same way before it reports the failure; in all other cases that would change a version for
   nothing.
5. A replica that has stored something newer than the record, without a promise above it, counts as one that
   has the record: the newer one was written on top.
6. Promise and record are sent under one epoch. Replicas refuse messages of an older epoch (decision 0010),
   and then the operation starts over: quorums of neighbouring epochs share a replica (`core/layout.py`,
   Owners), and new owners take over the promises of the old ones (`streaming/transfer.py`).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random

from limedb.aio.key_turns import KeyTurns
from limedb.aio.quorum_driver import QuorumDriver
from limedb.aio.tasks import Tasks
from limedb.core.condition import current
from limedb.core.conditional import Fate, fate_of, next_lineage, renewed_lineage, states_of
from limedb.core.hlc import HybridClock, ballot_above, wall_ms_of
from limedb.core.layout import Layout
from limedb.core.quorum_call import QuorumCall
from limedb.core.record import Past, Record
from limedb.errors import (
    AnswerForgottenError,
    LimeDBError,
    OutcomeUnknownError,
    StaleEpochError,
    UnavailableError,
    brief,
)
from limedb.ports import Clock, Placement, Promised, Replicas
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.conditional.operation import (
    GO_ON,
    ConditionalWrite,
    Content,
    FetchingLook,
    Look,
    Operation,
    OvertakenWrite,
    Ready,
)
from limedb.replication.conditional.rounds import PromiseRound
from limedb.replication.fanout import Fanout, ReplicaAcks
from limedb.replication.requests import MAX_RESTARTS, Counters, Write, Written
from limedb.replication.stale_epoch import follow_topology

RECORD_SECONDS = 30.0
"""How old a ballot may be when its record is sent (`core/promises.py`, FLOOR_MS)."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.004, 0.25
"""The bounds of the random pause after a ballot that others overtook."""
WRITES_BACK = 3
"""How often to write back a half-done write before overriding it with a new version."""
RELEASE_SECONDS, SETTLE_SECONDS = 2.0, 5.0


class EndedError(Exception):
    """Raised by an operation that may not change the key's current record."""

    def __init__(self, record: Record | None, now_ms: int) -> None:
        super().__init__("the record may not be changed so")
        self.record, self.now_ms = record, now_ms


class ConditionalProposer:
    """Carries out writes that depend on their key's state. write_class: of its operations, for subclasses."""

    write_class = ConditionalWrite

    def __init__(
        self,
        placement: Placement,
        replicas: Replicas,
        clock: Clock,
        versions: HybridClock,
        skew: ClockSkewGuard,
        driver: QuorumDriver,
        fanout: Fanout,
        counters: Counters,
        tasks: Tasks,
        rng: Random,
    ) -> None:
        self._placement, self._replicas, self._clock = placement, replicas, clock
        self._versions, self._skew, self._driver = versions, skew, driver
        self._fanout, self._counters, self._tasks, self._rng = fanout, counters, tasks, rng
        self._turns = KeyTurns()

    async def write(self, write: Write, deadline: float) -> Written:
        """Carry out a write that depends on the current state of its key. ConditionFailedError,
        EditRefusedError, ValueTooLargeError; OutcomeUnknownError: it may take effect; UnavailableError:
        nothing was written.
        """
        operation = self.write_class(write)
        try:
            return await self.carry_out(operation, deadline)
        except EndedError as ended:
            raise operation.refusal(ended.record, ended.now_ms) from None

    async def carry_out(self, operation: Operation, deadline: float) -> Written:
        """Carry out an operation when it is its key's turn. EndedError: the record may not be changed, and is
        on a quorum; otherwise the errors of `write`.
        """
        async with self._turn(operation, deadline):
            return await self._run(operation, deadline)

    @asynccontextmanager
    async def _turn(self, operation: Operation, deadline: float) -> AsyncIterator[None]:
        """Let those of this coordinator that want the same key take turns: of two at once, one could only
        stop the other halfway.
        """
        try:
            await self._turns.take(operation.key, deadline - self._clock.monotonic())
        except TimeoutError:
            raise self._failed(operation, _contended(operation, "others came first")) from None
        try:
            yield
        finally:
            self._turns.give(operation.key)

    async def finish(self, record: Record, operation: bytes, deadline: float) -> Written:
        """Complete a write without a condition, with a final version, that some replica refused for a
        promise. operation: of its idempotency key; empty: it has none. Errors of `write`.
        """
        return await self._run(OvertakenWrite(record, operation), deadline)

    async def settle(self, key: str, deadline: float) -> Record | None:
        """The valid record of a key, once it is on a majority. UnavailableError."""
        return await self._look(Look(key), deadline)

    async def settle_fetched(self, key: str) -> None:
        """Bring the valid record of a key to a majority of its new owners, and to as many of the old ones as
        this node, which fetches the key, needs as sources. UnavailableError: not within SETTLE_SECONDS.
        """
        await self._look(FetchingLook(key), self._clock.monotonic() + SETTLE_SECONDS)

    async def _look(self, look: Look, deadline: float) -> Record | None:
        try:
            await self._run(look, deadline)
        except EndedError as ended:
            return ended.record
        raise AssertionError("unreachable: nothing was written")

    # --- an operation

    async def _run(self, operation: Operation, deadline: float) -> Written:
        """Try until there is an outcome. EndedError: the record may not be changed."""
        above, failures, restarts = 0, 0, 0
        while True:
            layout = self._placement.layout
            try:
                ballot = self._ballot(above)
                owners = layout.of_key(operation.key)
                sides = operation.sides_of(owners)
                asked = PromiseRound(operation.key, ballot, owners, self._replicas, sides)
            except LimeDBError as error:
                raise self._failed(operation, error) from None
            operation.need, operation.total = asked.needed, len(asked.owners.write_set)
            asked.made_at = self._clock.monotonic()
            stale = await self._ask(asked, layout, deadline)
            took = self._clock.monotonic() - asked.made_at
            if stale is None and asked.is_enough and took < RECORD_SECONDS:
                if not self._has_time(operation, took, deadline):
                    self._release_soon(asked, layout)
                    raise self._failed(operation, _contended(operation, "the time has run out"))
                written, above, stale = await self._proceed(operation, asked, layout, deadline)
                if written is not None:
                    return written
            else:
                self._release_soon(asked, layout)
                above = max(above, asked.highest)
                is_hopeless = stale is None and not asked.highest and not asked.is_enough
                if is_hopeless and not operation.attempts.sent:
                    raise self._failed(operation, asked.error())
            if stale is not None:
                restarts += 1
                self._follow(operation, stale, layout, restarts)
            else:
                failures += 1
                await self._pause(operation, failures, deadline)

    async def _proceed(
        self, operation: Operation, asked: PromiseRound, layout: Layout, deadline: float
    ) -> tuple[Written | None, int, StaleEpochError | None]:
        """Continue from the promises: return the outcome; otherwise the ballot that the next one must exceed,
        and whether a replica knows a newer topology. EndedError: the record may not be changed.
        """
        newest = asked.newest
        states = states_of(newest)
        now_ms = wall_ms_of(asked.ballot)
        operation.begin_round(self._skew.clients_ms())
        fate = fate_of(operation.attempts, states)
        if fate is Fate.UNKNOWN:
            self._release_soon(asked, layout)
            raise operation.unknown()
        ready = await self._prepare(operation, asked, layout, deadline)
        if ready is not GO_ON:
            return await self._not_ready(ready, operation, asked, layout, deadline)
        content = operation.next(newest, now_ms) if fate is Fate.NEVER else None
        if content is not None:
            lineage = next_lineage(states, asked.ballot, operation.attempts.operation, content.outcome)
            acks = await self._send(asked, content, lineage, layout, deadline)
            if acks.is_enough:
                existed = current(newest, now_ms) is not None
                written = self._written(operation, asked.ballot, existed, acks, layout)
                return written._replace(answer=content.answer), 0, None
            if acks.may_be_stored:
                operation.sent(asked.ballot, content)
            else:
                self._release_soon(asked, layout)
            return None, acks.superseded_by, acks.stale
        return await self._conclude(operation, asked, layout, deadline, fate)

    async def _conclude(
        self, operation: Operation, asked: PromiseRound, layout: Layout, deadline: float, fate: Fate
    ) -> tuple[Written | None, int, StaleEpochError | None]:
        """As _proceed, when there is nothing to write: an earlier attempt wrote, or the record may not be
        changed.
        """
        newest, now_ms = asked.newest, wall_ms_of(asked.ballot)
        states = states_of(newest)
        is_done = fate is Fate.DONE
        is_open = (
            not is_done
            and operation.attempts.may_be_above(states[0].version)
            and operation.may_have_held(newest, now_ms)
        )
        settled, sent, stale = await self._settle(operation, asked, layout, deadline, ends=is_open)
        if not settled:
            return None, asked.ballot, stale
        stands = sent.record if sent is not None and sent.record.version == asked.ballot else newest
        if not is_done:
            raise EndedError(stands, now_ms)
        own = next(filter(operation.attempts.is_own, states))
        is_renewed = own is states[0] and stands is not None
        version = stands.version if is_renewed and stands is not None else own.version
        try:
            answer = operation.answer_of(own)
        except LookupError:
            raise AnswerForgottenError(operation.key, operation.need, operation.need, {}) from None
        written = self._written(operation, version, operation.existed_if_done, sent, layout)
        return written._replace(answer=answer), 0, None

    async def _prepare(
        self, operation: Operation, asked: PromiseRound, layout: Layout, deadline: float
    ) -> Ready:
        """Let an operation get ready to judge. Errors of `write`."""
        try:
            ready = await operation.prepare(asked, deadline)
        except LimeDBError as error:
            self._release_soon(asked, layout)
            raise self._failed(operation, error) from None
        is_late = self._clock.monotonic() - asked.made_at >= RECORD_SECONDS
        return Ready(above=asked.ballot) if ready is GO_ON and is_late else ready

    async def _not_ready(
        self, ready: Ready, operation: Operation, asked: PromiseRound, layout: Layout, deadline: float
    ) -> tuple[Written | None, int, StaleEpochError | None]:
        """As _proceed, of an operation that can't judge this round."""
        if ready.settles:
            _, _, stale = await self._settle(operation, asked, layout, deadline, ends=False)
            return None, asked.ballot, stale
        self._release_soon(asked, layout)
        return None, ready.above, None

    async def _settle(
        self, operation: Operation, asked: PromiseRound, layout: Layout, deadline: float, *, ends: bool
    ) -> tuple[bool, ReplicaAcks | None, StaleEpochError | None]:
        """Bring the newest record to a quorum; return whether it is there, with the record that was sent for
        that. ends: whether to override a write that may be above it, too.
        """
        newest = asked.newest
        if asked.agrees and not ends:
            self._release_soon(asked, layout)
            return True, None, None
        operation.settles += 1
        if newest is not None and not ends and operation.settles <= WRITES_BACK:
            await self._release(asked, layout)
            targets = [url for url in asked.asked if url not in asked.holders]
            acks = self._acks(newest, asked, targets, asked.holders)
            await self._fanout.copy((acks,), layout.topology.fence, deadline)
            return acks.is_enough, acks, acks.stale
        content = Content(None) if newest is None else Content(newest.value, newest.expires_at)
        lineage = renewed_lineage(states_of(newest), asked.ballot)
        acks = await self._send(asked, content, lineage, layout, deadline)
        return acks.is_enough, acks, acks.stale

    # --- messages

    async def _ask(self, asked: PromiseRound, layout: Layout, deadline: float) -> StaleEpochError | None:
        """Ask for promises; the error of a replica that knows a newer topology."""
        fence = layout.topology.fence

        async def promise(node_url: str, share: Sequence[PromiseRound]) -> Sequence[Promised]:
            replica = self._replicas.at(node_url)
            return [await replica.promise(one.key, one.ballot, fence, deadline) for one in share]

        call = QuorumCall((asked,), deadline)
        await self._driver.run(call, promise)
        return call.stale

    async def _send(
        self,
        asked: PromiseRound,
        content: Content,
        lineage: tuple[Past, ...],
        layout: Layout,
        deadline: float,
    ) -> ReplicaAcks:
        """Send the record of a ballot to all owners."""
        record = Record(asked.key, content.value, asked.ballot, content.expires_at)
        record.lineage = lineage
        acks = self._acks(record, asked, asked.asked, ())
        for url, why in asked.missing.items():
            if url not in asked.asked:
                acks.skip(url, UnavailableError(why))
        await self._fanout.write((acks,), layout.topology.fence, deadline)
        return acks

    @staticmethod
    def _acks(
        record: Record, asked: PromiseRound, targets: Iterable[str], holders: Sequence[str]
    ) -> ReplicaAcks:
        return ReplicaAcks(record, asked.need, targets, holders, sides=asked.wanted)

    def _release_soon(self, asked: PromiseRound, layout: Layout) -> None:
        """Take the promises back, without waiting for it."""
        self._tasks.start(self._release(asked, layout))

    async def _release(self, asked: PromiseRound, layout: Layout) -> None:
        fence, deadline = layout.topology.fence, self._clock.monotonic() + RELEASE_SECONDS

        async def release(node_url: str) -> None:
            with suppress(LimeDBError):  # it stays, and does no harm
                await self._replicas.at(node_url).release(asked.key, asked.ballot, fence, deadline)

        await asyncio.gather(*map(release, asked.asked))

    # --- how

    def _has_time(self, operation: Operation, took: float, deadline: float) -> bool:
        """Whether a record that is sent now may be acknowledged in time; otherwise its outcome would
        needlessly be unknown. took: the seconds of the promises.
        """
        return operation.may_be_stored or self._clock.monotonic() + took < deadline

    def _ballot(self, above: int) -> int:
        now_ms = self._skew.check_own()
        self._skew.check_stored(above)
        ballot = ballot_above(above, now_ms, self._rng.getrandbits(15))
        if self._skew.is_about_now(ballot):
            self._versions.observe(ballot)
        return ballot

    async def _pause(self, operation: Operation, failures: int, deadline: float) -> None:
        """Wait for a random time. UnavailableError, OutcomeUnknownError: the deadline would pass."""
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * (1 << min(failures, 8)))
        pause = self._rng.uniform(0, longest)
        if self._clock.monotonic() + pause >= deadline:
            raise self._failed(operation, _contended(operation, f"others were faster {failures} times"))
        await asyncio.sleep(pause)

    def _follow(self, operation: Operation, error: StaleEpochError, layout: Layout, restarts: int) -> None:
        self._counters.stale_restarts += 1
        if not follow_topology(self._placement, error, layout) or restarts >= MAX_RESTARTS:
            raise self._failed(operation, error)

    def _failed(self, operation: Operation, error: LimeDBError) -> LimeDBError:
        if not operation.may_be_stored:
            return error
        why = {"it could not be found out": error.public_text}
        return OutcomeUnknownError(operation.key, operation.need, 0, why)

    def _written(
        self, operation: Operation, version: int, existed: bool, acks: ReplicaAcks | None, layout: Layout
    ) -> Written:
        acked = acks.acks if acks is not None else operation.need
        return Written(version, existed, acked, operation.total, layout.topology.epoch)


def _contended(operation: Operation, why: str) -> UnavailableError:
    return UnavailableError(f"key {brief(operation.key)} is contended: {why}; nothing was written, try again")
