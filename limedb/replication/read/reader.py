"""Reads at a level: chooses the replicas to ask, and when to ask one more.

It owns the round of questions to the replicas of some keys. It must never write: `read_repair.py` makes
differing replicas equal.

It asks for keys with the same owners together, and they share their fate. It asks the quickest replicas, as
many as the level needs; the next one replaces a failed one at once, and when the answer is late it asks one
more.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, TypeVar

from limedb.aio.quorum_driver import Ask, QuorumDriver
from limedb.core.layout import Owners
from limedb.core.quorum_call import QuorumCall, Tally
from limedb.core.record import Record, merge
from limedb.core.topology import Fence
from limedb.errors import (
    LevelUnreachableError,
    LimeDBError,
    RecordDamagedError,
    RequestTimeoutError,
    brief,
    is_too_large,
)
from limedb.ports import Clock, Held, Replicas
from limedb.replication.read.latency import Latencies
from limedb.replication.replica_errors import failure_text, is_replica_error
from limedb.replication.requests import Counters

T = TypeVar("T", bound=Tally[Any])


class ReadRound(Tally[Sequence[Held]]):
    """Keys of the same owners, being read.

    need: how many replicas are to answer. answers: the records of each, in the order of the keys. missing:
    replicas that gave no answer, and why. damaged: those whose record of the key is damaged; no read asks
    them.
    """

    __slots__ = ("answers", "damaged", "keys", "missing", "owners")

    def __init__(self, keys: list[str], owners: Owners, need: int) -> None:
        super().__init__(need, ())
        self.keys, self.owners = keys, owners
        self.answers: dict[str, Sequence[Held]] = {}
        self.damaged: dict[str, LimeDBError] = {}
        self.missing: dict[str, LimeDBError | str] = {}

    def take(self, node_url: str, answer: Sequence[Held]) -> None:
        """Count the records of a replica."""
        self.acks += 1
        self.answers[node_url] = answer

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """Count a replica that gave no answer."""
        self.failures += 1
        self.missing[node_url] = error

    def without_damaged(self) -> "list[ReadRound]":
        """Take out the keys whose record is damaged at a replica that answered; the others must be asked for
        them again. The rest is as if these keys had never been part of the round.
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
        for read_round in apart.values():
            read_round.damaged = {**self.damaged, **read_round.damaged}
            read_round.missing = {**self.damaged, **read_round.missing}
        self.keys = [self.keys[i] for i in kept]
        self.answers = {url: [held[i] for i in kept] for url, held in self.answers.items()}
        return [*apart.values()]

    @property
    def differs(self) -> bool:
        """Whether the answers are not all the same."""
        first, *others = self.answers.values()
        return any(other != first for other in others)

    def winners(self) -> Sequence[Held]:
        """The newest record of each key among the answers."""
        first, *others = self.answers.values()
        if not self.differs:
            return first
        return [_newest(records) for records in zip(first, *others, strict=True)]

    def conflicts(self) -> "Iterator[tuple[str, list[str]]]":
        """Keys of which two replicas that answered have different records with one version, with these
        nodes.
        """
        for i, key in enumerate(self.keys if self.differs else ()):
            held = {url: r for url, records in self.answers.items() if isinstance(r := records[i], Record)}
            by_version: dict[int, Record] = {}
            if any(by_version.setdefault(record.version, record) != record for record in held.values()):
                yield key, sorted(held)

    def error(self, key: str, level: str, seconds: float) -> LimeDBError:
        """Why a key could not be read at its level. seconds: how long the read waited."""
        errors = [error for error in self.missing.values() if isinstance(error, LimeDBError)]
        for error in errors:  # the others would give the same answer
            if is_too_large(error):
                return error
        if errors and len(errors) == len(self.missing) and all(map(_stands_alone, errors)):
            return errors[0]
        if not self.is_hopeless:
            return RequestTimeoutError(seconds, f"{len(self.waiting)} of the replicas of key {brief(key)}")
        missing = {url: e if isinstance(e, str) else failure_text(e) for url, e in self.missing.items()}
        live = self.total - self.failures
        return LevelUnreachableError(key, level, self.need, live, self.owners.replicas, missing)


class Comparison(Tally[Sequence[int]]):
    """Keys of the same owners, of which the own records are at hand, being compared with those of peers.

    need: how many peers are to answer. sums: of the own records. places: of the keys among those that were
    asked for. differing: places in `keys` at which a peer has something else. when_settled: called then.
    """

    __slots__ = ("differing", "keys", "peers", "places", "sums", "when_settled")

    def __init__(
        self, keys: Sequence[str], places: Sequence[int], sums: bytes, peers: Sequence[str], need: int
    ) -> None:
        super().__init__(need, ())
        self.keys, self.places, self.sums, self.peers = keys, places, sums, peers
        self.differing: set[int] = set()
        self.when_settled: Callable[[Comparison], None] | None = None

    def take(self, node_url: str, answer: Sequence[int]) -> None:
        """Count the answer of a peer."""
        self.acks += 1
        if answer:
            self.differing.update(answer)

    def on_settled(self) -> None:
        """Report it."""
        if self.when_settled is not None:
            self.when_settled(self)

    @property
    def unconfirmed(self) -> Sequence[int]:
        """The places, among all that were asked for, of keys that must be read the whole way."""
        if not self.is_enough:
            return self.places
        return [self.places[i] for i in self.differing]


class Reader:
    """Asks replicas."""

    def __init__(self, replicas: Replicas, clock: Clock, driver: QuorumDriver, counters: Counters) -> None:
        self._replicas, self._clock, self._counters = replicas, clock, counters
        self._driver = driver
        self._single, self._many, self._compared = Latencies(), Latencies(), Latencies()

    async def read(
        self, rounds: Sequence[ReadRound], fence: Fence, deadline: float, most: int | None = None
    ) -> Sequence[ReadRound]:
        """Ask until each round has enough answers or can no longer get them, or until the deadline. Return
        the resulting rounds: keys whose record is damaged at a replica get rounds of their own, which ask the
        others. most: bytes of values that each may answer, as in Replica.read; a refusal doesn't count as an
        answer, so a read never sees less because of it.

        StaleEpochError: a replica knows a newer topology; nothing of the answers counts.
        """
        await self._read(rounds, fence, deadline, most)
        whole, apart = list(rounds), [one for read_round in rounds for one in read_round.without_damaged()]
        while apart:
            await self._read(apart, fence, deadline, most)
            whole += apart
            apart = [one for read_round in apart for one in read_round.without_damaged()]
        return [read_round for read_round in whole if read_round.keys]

    async def compare(self, comparisons: Sequence[Comparison], fence: Fence, deadline: float) -> None:
        """Ask until each comparison has enough answers or can no longer get them, or until the deadline.

        StaleEpochError: a replica knows a newer topology; nothing of the answers counts.
        """
        now = self._clock.monotonic()
        for one in comparisons:
            live = [url for url in one.peers if self._replicas.is_reachable(url)]
            one.aim(live if len(live) == 1 else self._compared.ranked(live, now))

        async def send(node_url: str, share: Sequence[Comparison]) -> Sequence[Sequence[int]]:
            if len(share) == 1:
                (one,) = share
                return (await self._replicas.at(node_url).compare(one.keys, one.sums, fence, deadline),)
            keys, sums = [key for one in share for key in one.keys], b"".join(one.sums for one in share)
            places = await self._replicas.at(node_url).compare(keys, sums, fence, deadline)
            return [[p - begin for p in places if begin <= p < end] for begin, end in _bounds(share)]

        await self._ask(comparisons, send, self._compared, now, deadline)

    async def _read(
        self, rounds: Sequence[ReadRound], fence: Fence, deadline: float, most: int | None
    ) -> None:
        is_single = len(rounds) == 1 and len(rounds[0].keys) == 1
        latencies, now = self._single if is_single else self._many, self._clock.monotonic()
        for read_round in rounds:
            self._rank(read_round, latencies, now)

        async def send(node_url: str, share: Sequence[ReadRound]) -> Sequence[Sequence[Held]]:
            keys = share[0].keys if len(share) == 1 else [key for one in share for key in one.keys]
            records = await self._replicas.at(node_url).read(keys, fence, deadline, most)
            if len(share) == 1:
                return (records,)
            return [records[begin:end] for begin, end in _bounds(share)]

        await self._ask(rounds, send, latencies, now, deadline)

    async def _ask(
        self, tallies: Sequence[T], send: Ask[T], latencies: Latencies, now: float, deadline: float
    ) -> None:
        """Make it a quorum call, which asks the next replica when one is later than usual.
        StaleEpochError.
        """

        async def ask(node_url: str, share: Sequence[T]) -> Sequence[object]:
            began = self._clock.monotonic()
            try:
                answers = await send(node_url, share)
            except LimeDBError as error:
                if not is_replica_error(error):
                    failed = self._clock.monotonic()
                    latencies.note_failed(node_url, failed - began, failed)
                raise
            answered = self._clock.monotonic()
            latencies.note(node_url, answered - began, answered)
            return answers

        call = QuorumCall(tallies, deadline, delay=latencies.delay(now))
        await self._driver.run(call, ask)
        self._counters.speculative_retries += call.speculated
        if call.stale is not None:
            raise call.stale

    def _rank(self, read_round: ReadRound, latencies: Latencies, now: float) -> None:
        """Choose whom to ask, the quickest first."""
        natural = [url for url in read_round.owners.natural if url not in read_round.damaged]
        live = [url for url in natural if self._replicas.is_reachable(url)]
        if len(live) < len(natural):
            read_round.missing.update(
                {url: self._replicas.absence(url) for url in natural if url not in live}
            )
        read_round.aim(live if len(live) == 1 else latencies.ranked(live, now))


def _bounds(share: Sequence[ReadRound] | Sequence[Comparison]) -> list[tuple[int, int]]:
    """Where the keys of each question begin and end among all their keys."""
    ends = [*accumulate(len(one.keys) for one in share)]
    return [*zip([0, *ends], ends, strict=False)]


def _stands_alone(error: LimeDBError) -> bool:
    """Whether an error that all replicas gave is the answer to the client."""
    return is_replica_error(error) or isinstance(error, RequestTimeoutError)


def _newest(records: Sequence[Held]) -> Record | None:
    newest: Record | None = None
    for record in records:
        if isinstance(record, Record):
            newest = record if newest is None else merge(newest, record)
    return newest
