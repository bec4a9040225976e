"""Carries records to replicas, one call to each, and counts who has them.

It owns the sends, which go on when the answer is out, and the hints for replicas that missed a write. It
must never choose replicas, versions or what is tried again: `write/writer.py` does.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from limedb.aio.tasks import Tasks
from limedb.core.quorum import Quorum
from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.errors import (
    LimeDBError,
    OutcomeUnknownError,
    ReplicaUnreachableError,
    RequestTimeoutError,
    StaleEpochError,
)
from limedb.ports import Applied, Clock, HintLog, Replicas
from limedb.replication.requests import Counters


class ReplicaAcks:
    """One record on its way to replicas.

    record: what is sent. quorum: counts who has it. waiting: who was sent it and has not answered.
    missed: who doesn't have it, and why. superseded_by: the newer version that a replica has, 0: none.
    stale: a replica knows a newer topology. previous, existed: what was stored before, by the newest answer.
    when_enough: called once it is on as many replicas as it needs.
    """

    __slots__ = (
        "existed",
        "is_settled",
        "is_unsure",
        "missed",
        "needs_hint",
        "on_quorum",
        "previous",
        "quorum",
        "record",
        "stale",
        "superseded_by",
        "waiting",
    )  # fmt: skip

    def __init__(self, record: Record, need: int, targets: Iterable[str], holders: int = 0) -> None:
        """need: how many are to have it; holders: how many are known to have it already."""
        self.record = record
        self.waiting = dict.fromkeys(targets)  # in their order, always the same
        self.quorum = Quorum(need, len(self.waiting) + holders)
        self.quorum.acks = holders
        self.missed: dict[str, LimeDBError] = {}
        self.needs_hint: list[str] = []
        self.superseded_by, self.previous, self.existed = 0, -1, False
        self.stale: StaleEpochError | None = None
        self.is_unsure = self.is_settled = False
        self.on_quorum: Callable[[], None] | None = None

    @property
    def may_be_stored(self) -> bool:
        """Whether some replica has the record, or may have it, or may get it yet."""
        return self.quorum.acks > 0 or self.is_unsure or bool(self.waiting)

    @property
    def is_decided(self) -> bool:
        """Whether waiting can tell nothing more. Where nobody has it so far, the last refusal is awaited:
        the client is to hear whether nothing was written, or that it isn't known.
        """
        quorum = self.quorum
        if quorum.is_enough or self.superseded_by or self.stale is not None:
            return True
        return quorum.is_hopeless and (quorum.acks > 0 or self.is_unsure or not self.waiting)

    def skip(self, node_url: str, why: LimeDBError) -> None:
        """A replica is not sent the record, for it can't be reached."""
        self.missed[node_url] = why
        self.needs_hint.append(node_url)

    def answer(self, node_url: str, applied: Applied, superseded_is_ack: bool) -> None:
        """A replica has merged the record."""
        self.waiting.pop(node_url, None)
        if applied.superseded_by and not superseded_is_ack:
            self.superseded_by = max(self.superseded_by, applied.superseded_by)
        else:
            self.quorum.ack()
        if applied.previous != self.record.version and applied.previous > self.previous:
            self.previous, self.existed = applied.previous, applied.existed

    def fail(self, node_url: str, error: LimeDBError) -> None:
        """A replica has not merged the record, or hasn't said so."""
        self.waiting.pop(node_url, None)
        self.quorum.fail()
        self.missed[node_url] = error
        if isinstance(error, StaleEpochError) and not self.is_settled:
            self.stale = error  # it is sent again, under the newer topology
            return
        self.needs_hint.append(node_url)
        self.is_unsure = self.is_unsure or not error.nothing_written


class Round:
    """Sends that are made together. superseded_is_ack: a replica with a newer record counts as one that has
    it. keeps_hints: who misses a record that another has is left a hint. copied: see ports.Replica.apply.
    """

    __slots__ = ("copied", "deadline", "done", "fence", "keeps_hints", "superseded_is_ack", "undecided")

    def __init__(
        self,
        fence: Fence,
        deadline: float,
        *,
        superseded_is_ack: bool = False,
        keeps_hints: bool = True,
        copied: bool = False,
    ) -> None:
        self.fence, self.deadline, self.copied = fence, deadline, copied
        self.superseded_is_ack, self.keeps_hints = superseded_is_ack, keeps_hints
        self.undecided = 0
        self.done: asyncio.Future[None] | None = None

    def settle(self, tracks: Sequence[ReplicaAcks]) -> None:
        """Look which tracks are decided now."""
        for track in tracks:
            if not track.is_settled and track.is_decided:
                track.is_settled = True
                self.undecided -= 1
                if track.on_quorum is not None and track.quorum.is_enough:
                    track.on_quorum()
        if not self.undecided and self.done is not None and not self.done.done():
            self.done.set_result(None)

    def crash(self, error: Exception) -> None:
        """Tell the request of a bug."""
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)


class Fanout:
    """Sends rounds to replicas."""

    def __init__(
        self,
        replicas: Replicas,
        hints: HintLog,
        clock: Clock,
        tasks: Tasks,
        counters: Counters,
        check_stored: Callable[[int], None],
    ) -> None:
        """check_stored: raises a LimeDBError where a version that a replica says it has can't be believed."""
        self._replicas, self._hints, self._clock, self._check_stored = replicas, hints, clock, check_stored
        self._tasks, self._counters = tasks, counters

    async def run(self, tracks: Sequence[ReplicaAcks], round_: Round) -> None:
        """Send each record to those that its track waits for; return when all are decided, or at the
        deadline. What was sent by then goes on: neither an early answer nor a caller that is cancelled
        stops it.
        """
        shares: dict[str, list[ReplicaAcks]] = defaultdict(list)
        for track in tracks:
            for node_url in track.waiting:
                shares[node_url].append(track)
        round_.undecided = len(tracks)
        round_.settle(tracks)
        if not round_.undecided:
            self._start(shares, round_)
        elif len(shares) == 1:
            ((node_url, share),) = shares.items()
            await self._send(node_url, share, round_)
        else:
            await self._side_by_side(shares, round_)

    async def _side_by_side(self, shares: dict[str, list[ReplicaAcks]], round_: Round) -> None:
        loop = asyncio.get_running_loop()
        done = round_.done = loop.create_future()
        timer = loop.call_later(round_.deadline - self._clock.monotonic(), _expire, done)
        try:
            self._start(shares, round_)
            await done
        finally:
            timer.cancel()

    def _start(self, shares: dict[str, list[ReplicaAcks]], round_: Round) -> None:
        for node_url, share in shares.items():
            self._tasks.start(self._send(node_url, share, round_))

    async def _send(self, node_url: str, tracks: list[ReplicaAcks], round_: Round) -> None:
        try:
            records = [track.record for track in tracks]
            applied = await self._replicas.at(node_url).apply(
                records, round_.fence, round_.deadline, round_.copied
            )
        except LimeDBError as error:
            for track in tracks:
                track.fail(node_url, error)
        except asyncio.CancelledError:
            self._give_up(node_url, tracks, round_)
            raise
        except Exception as error:
            round_.crash(error)
            raise
        else:
            for track, result in zip(tracks, applied, strict=True):
                self._take(track, node_url, result, round_.superseded_is_ack)
        self._keep_hints(tracks, round_)
        round_.settle(tracks)

    def _take(self, track: ReplicaAcks, node_url: str, applied: Applied, superseded_is_ack: bool) -> None:
        """Count an answer. A newer record that nothing can go above is a refusal: others may still do."""
        try:
            if applied.superseded_by and not superseded_is_ack:
                self._check_stored(applied.superseded_by)
        except LimeDBError as error:
            track.fail(node_url, error)
        else:
            track.answer(node_url, applied, superseded_is_ack)

    def _give_up(self, node_url: str, tracks: list[ReplicaAcks], round_: Round) -> None:
        """The node stops: what was sent may have been taken, and nobody will hear of it."""
        for track in tracks:
            track.fail(node_url, RequestTimeoutError(0, f"node {node_url}: this node stops"))
        self._keep_hints(tracks, round_)
        round_.settle(tracks)

    def _keep_hints(self, tracks: list[ReplicaAcks], round_: Round) -> None:
        """Leave hints for who missed what another replica has acknowledged: that is to reach all of them.
        What none has acknowledged is left as it is, for its writer was not told that it stands.
        """
        shares: dict[str, list[Record]] = defaultdict(list)
        for track in tracks:
            if track.needs_hint and track.quorum.acks and not track.superseded_by:
                for node_url in track.needs_hint:
                    shares[node_url].append(track.record)
                track.needs_hint.clear()
        if not round_.keeps_hints:
            return
        for node_url, records in shares.items():
            if self._hints.add(node_url, records, self._clock.wall_ms()):
                self._counters.hints_stored += len(records)
            else:
                self._counters.hints_dropped += len(records)


def is_replica_error(error: LimeDBError) -> bool:
    """Whether an error is a replica's own, and not of the way to it."""
    lost = ReplicaUnreachableError | OutcomeUnknownError | RequestTimeoutError | StaleEpochError
    return not isinstance(error, lost)


def failure_text(error: LimeDBError) -> str:
    """Why a replica didn't do its part, without its name."""
    if isinstance(error, ReplicaUnreachableError):
        return error.why
    if isinstance(error, OutcomeUnknownError):
        return "; ".join(error.missing.values()) or "no answer"
    return str(error)


def _expire(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
