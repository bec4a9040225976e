"""Reads at a level: which replicas are asked, and when one more.

It owns the round of questions to the replicas of some keys. It must never write: what replicas that differ
are told is the affair of `read_repair.py`.

Keys with the same owners are asked together and share their fate. The quickest replicas are asked, as many
as the level needs; one that fails is replaced by the next at once, and when the answer is late one more is
asked.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from limedb.aio.running_time import TIMER_SLACK_SECONDS
from limedb.aio.tasks import Tasks
from limedb.core.layout import Owners
from limedb.core.record import Record, merge
from limedb.core.topology import Fence
from limedb.errors import (
    LevelUnreachableError,
    LimeDBError,
    RecordDamagedError,
    RequestTimeoutError,
    StaleEpochError,
    brief,
    is_too_large,
)
from limedb.ports import Clock, Held, Replicas
from limedb.replication.read.latency import Latencies
from limedb.replication.replica_errors import failure_text, is_replica_error
from limedb.replication.requests import Counters


class ReadRound:
    """Keys of the same owners, being read.

    need: how many replicas are to answer. spare: who may still be asked, the quickest first. waiting: who
    was asked and has not answered. answers: the records of each, in the order of the keys. missing: who
    can't tell, and why. damaged: who can't since its record is damaged; it isn't asked.
    """

    __slots__ = ("answers", "damaged", "is_settled", "keys", "missing", "need", "owners", "spare", "waiting")

    def __init__(self, keys: list[str], owners: Owners, need: int) -> None:
        self.keys, self.owners, self.need = keys, owners, need
        self.spare: list[str] = []
        self.waiting = 0
        self.answers: dict[str, list[Held]] = {}
        self.damaged: dict[str, LimeDBError] = {}
        self.missing: dict[str, LimeDBError | str] = {}
        self.is_settled = False

    def without_damaged(self) -> "list[ReadRound]":
        """Take out the keys of which a replica that answered can't tell; they are to be asked anew of the
        others. What is left is as if they had never been asked.
        """
        if not any(RecordDamagedError in map(type, held) for held in self.answers.values()):
            return []
        apart: dict[int, ReadRound] = {}
        for url, held in self.answers.items():
            for i, each in enumerate(held):
                if isinstance(each, RecordDamagedError):
                    one = apart.setdefault(i, ReadRound([self.keys[i]], self.owners, self.need))
                    one.damaged[url] = one.missing[url] = each
        kept = [i for i in range(len(self.keys)) if i not in apart]
        for lookup in apart.values():
            lookup.damaged = {**self.damaged, **lookup.damaged}
            lookup.missing = {**self.damaged, **lookup.missing}
        self.keys = [self.keys[i] for i in kept]
        self.answers = {url: [held[i] for i in kept] for url, held in self.answers.items()}
        return [*apart.values()]

    @property
    def is_enough(self) -> bool:
        """Whether as many have answered as the level needs."""
        return len(self.answers) >= self.need

    @property
    def is_hopeless(self) -> bool:
        """Whether there are too few that can still answer."""
        return len(self.answers) + self.waiting + len(self.spare) < self.need

    def take(self) -> list[str]:
        """Whom to ask now, so that enough may answer."""
        lacking = max(0, self.need - len(self.answers) - self.waiting)
        chosen, self.spare = self.spare[:lacking], self.spare[lacking:]
        self.waiting += len(chosen)
        return chosen

    @property
    def differs(self) -> bool:
        """Whether the answers are not all the same."""
        first, *others = self.answers.values()
        return any(other != first for other in others)

    def winners(self) -> list[Held]:
        """What stands of each key among the answers."""
        first, *others = self.answers.values()
        if not self.differs:
            return first
        return [_newest(records) for records in zip(first, *others, strict=True)]

    def conflicts(self) -> "Iterator[tuple[str, list[str]]]":
        """Keys of which two that answered have different records with one version, and which nodes do."""
        for i, key in enumerate(self.keys if self.differs else ()):
            held = {url: r for url, records in self.answers.items() if isinstance(r := records[i], Record)}
            by_version: dict[int, Record] = {}
            if any(by_version.setdefault(record.version, record) != record for record in held.values()):
                yield key, sorted(held)

    def error(self, key: str, level: str, seconds: float) -> LimeDBError:
        """Why a key could not be read at its level. seconds: how long it was waited."""
        errors = [error for error in self.missing.values() if isinstance(error, LimeDBError)]
        for error in errors:  # the others would say the same
            if is_too_large(error):
                return error
        if errors and len(errors) == len(self.missing) and all(map(_stands_alone, errors)):
            return errors[0]
        if not self.is_hopeless:
            return RequestTimeoutError(seconds, f"{self.waiting} of the replicas of key {brief(key)}")
        missing = {url: e if isinstance(e, str) else failure_text(e) for url, e in self.missing.items()}
        live = len(self.answers) + len(self.spare) + self.waiting
        return LevelUnreachableError(key, level, self.need, live, self.owners.replicas, missing)


class Reader:
    """Asks replicas."""

    def __init__(self, replicas: Replicas, clock: Clock, tasks: Tasks, counters: Counters) -> None:
        self._replicas, self._clock, self._tasks, self._counters = replicas, clock, tasks, counters
        self._single, self._many = Latencies(), Latencies()

    async def read(
        self, lookups: Sequence[ReadRound], fence: Fence, deadline: float, most: int | None = None
    ) -> Sequence[ReadRound]:
        """Ask until each lookup has enough answers or can't have them any more, or until the deadline. The
        lookups that stand then: keys of which a replica can't tell, for its record is damaged, are taken out
        of theirs and asked anew, of the others. most: bytes of values that each may answer, as
        Replica.read has it; a refusal is no answer, so that a read never sees less for it.

        StaleEpochError: a replica knows a newer topology; nothing of the answers counts.
        """
        await self._read(lookups, fence, deadline, most)
        whole, apart = list(lookups), [one for lookup in lookups for one in lookup.without_damaged()]
        while apart:
            await self._read(apart, fence, deadline, most)
            whole += apart
            apart = [one for lookup in apart for one in lookup.without_damaged()]
        return [lookup for lookup in whole if lookup.keys]

    async def _read(
        self, lookups: Sequence[ReadRound], fence: Fence, deadline: float, most: int | None
    ) -> None:
        is_single = len(lookups) == 1 and len(lookups[0].keys) == 1
        latencies = self._single if is_single else self._many
        for lookup in lookups:
            self._rank(lookup, latencies)
        asking = _Asking(self._replicas, self._clock, latencies, self._tasks, fence, deadline, most)
        shares = asking.begin(lookups)
        if len(shares) == 1 and not any(lookup.spare for lookup in lookups):
            ((node_url, share),) = shares.items()
            await asking.ask(node_url, share)
        elif shares:
            await self._side_by_side(asking, shares, lookups)
        if asking.stale is not None:
            raise asking.stale

    async def _side_by_side(
        self, asking: "_Asking", shares: dict[str, list[ReadRound]], lookups: Sequence[ReadRound]
    ) -> None:
        asking.done = asyncio.get_running_loop().create_future()
        now = self._clock.monotonic()
        delay = asking.latencies.delay(now) if any(lookup.spare for lookup in lookups) else math.inf
        self._set_alarm(asking, lookups, min(delay, asking.deadline - now))
        try:
            asking.start(shares)
            await asking.done
        finally:
            if asking.alarm is not None:
                asking.alarm.cancel()

    def _set_alarm(self, asking: "_Asking", lookups: Sequence[ReadRound], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        asking.alarm = loop.call_later(seconds, self._wake, asking, lookups)

    def _wake(self, asking: "_Asking", lookups: Sequence[ReadRound]) -> None:
        """The answer is late, or the deadline has come."""
        left = asking.deadline - self._clock.monotonic()
        if left < TIMER_SLACK_SECONDS:
            asking.expire()
            return
        self._ask_more(asking, lookups)
        self._set_alarm(asking, lookups, left)

    def _rank(self, lookup: ReadRound, latencies: Latencies) -> None:
        current = [url for url in lookup.owners.natural if url not in lookup.damaged]
        live = [url for url in current if self._replicas.is_reachable(url)]
        if len(live) < len(current):
            lookup.missing.update({url: self._replicas.absence(url) for url in current if url not in live})
        lookup.spare = live if len(live) == 1 else latencies.ranked(live, self._clock.monotonic())

    def _ask_more(self, asking: "_Asking", lookups: Sequence[ReadRound]) -> None:
        """Ask one replica more where the answer is late."""
        shares: dict[str, list[ReadRound]] = defaultdict(list)
        for lookup in lookups:
            if lookup.spare and not lookup.is_settled:
                lookup.waiting += 1
                shares[lookup.spare.pop(0)].append(lookup)
        self._counters.speculative_retries += len(shares)
        asking.start(shares)


class _Asking:
    """The questions of one read, and what is known of their answers."""

    def __init__(
        self,
        replicas: Replicas,
        clock: Clock,
        latencies: Latencies,
        tasks: Tasks,
        fence: Fence,
        deadline: float,
        most: int | None,
    ) -> None:
        self._replicas, self._clock, self.latencies, self._tasks = replicas, clock, latencies, tasks
        self._fence, self.deadline, self._most = fence, deadline, most
        self._undecided = 0
        self.done: asyncio.Future[None] | None = None
        self.alarm: asyncio.TimerHandle | None = None
        self.stale: StaleEpochError | None = None

    def begin(self, lookups: Sequence[ReadRound]) -> dict[str, list[ReadRound]]:
        """Whom to ask first, and for what."""
        hopeful = [lookup for lookup in lookups if not lookup.is_hopeless]
        self._undecided = len(hopeful)
        return self._shares(hopeful)

    def start(self, shares: dict[str, list[ReadRound]]) -> None:
        """Ask nodes, side by side."""
        for node_url, share in shares.items():
            self._tasks.start(self.ask(node_url, share))

    async def ask(self, node_url: str, lookups: list[ReadRound]) -> None:
        """Ask one node; where it fails, ask others instead."""
        keys = lookups[0].keys if len(lookups) == 1 else [key for lookup in lookups for key in lookup.keys]
        began = self._clock.monotonic()
        try:
            records = await self._replicas.at(node_url).read(keys, self._fence, self.deadline, self._most)
        except LimeDBError as error:
            if not is_replica_error(error):
                now = self._clock.monotonic()
                self.latencies.note_failed(node_url, now - began, now)
            self._fail(node_url, lookups, error)
        except Exception as error:
            if self.done is not None and not self.done.done():
                self.done.set_exception(error)
            raise
        else:
            now = self._clock.monotonic()
            self.latencies.note(node_url, now - began, now)
            self._answer(node_url, lookups, records)
        self._settle(lookups)

    def expire(self) -> None:
        """The deadline has come."""
        if self.done is not None and not self.done.done():
            self.done.set_result(None)

    def _answer(self, node_url: str, lookups: list[ReadRound], records: list[Held]) -> None:
        first = 0
        for lookup in lookups:
            last = first + len(lookup.keys)
            lookup.waiting -= 1
            if not lookup.is_settled:
                lookup.answers[node_url] = records if len(lookups) == 1 else records[first:last]
            first = last

    def _fail(self, node_url: str, lookups: list[ReadRound], error: LimeDBError) -> None:
        for lookup in lookups:
            lookup.waiting -= 1
            lookup.missing[node_url] = error
        if isinstance(error, StaleEpochError):
            self.stale = error
            self.expire()
            return
        if self.done is None or not self.done.done():
            self.start(self._shares([x for x in lookups if not (x.is_settled or x.is_hopeless)]))

    def _shares(self, lookups: Sequence[ReadRound]) -> dict[str, list[ReadRound]]:
        shares: dict[str, list[ReadRound]] = defaultdict(list)
        for lookup in lookups:
            for node_url in lookup.take():
                shares[node_url].append(lookup)
        return shares

    def _settle(self, lookups: list[ReadRound]) -> None:
        for lookup in lookups:
            if not lookup.is_settled and (lookup.is_enough or lookup.is_hopeless):
                lookup.is_settled = True
                self._undecided -= 1
        if not self._undecided:
            self.expire()


def _stands_alone(error: LimeDBError) -> bool:
    """Whether an error that all replicas gave is the one to tell."""
    return is_replica_error(error) or isinstance(error, RequestTimeoutError)


def _newest(records: Sequence[Held]) -> Record | None:
    newest: Record | None = None
    for record in records:
        if isinstance(record, Record):
            newest = record if newest is None else merge(newest, record)
    return newest
