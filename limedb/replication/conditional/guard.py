"""Keeps a replica's promises: records that they forbid don't reach the store.

It owns the way of every record into the store, and the moment at which a promise holds. It must never judge a
topology: `replica.py` does.

A replica answers a promise with the stored record, which must be the last one below it. So the promise first
takes effect in memory, and refuses all later records; then the replica waits for all earlier writes of the
key, while it stores the promise on disk; and only then it reads the record.
"""

import asyncio
from collections.abc import Awaitable, Sequence

from limedb.core.hlc import wall_ms_of
from limedb.core.layout import Span
from limedb.core.promises import KEPT_MS, floor_at
from limedb.core.record import Record, RecordBatch
from limedb.core.ring import token_of
from limedb.errors import RecordDamagedError, UnavailableError
from limedb.ports import Applied, Held, KeyPromises, OperationLog, Promised, Store

LOOK_MS = 1000
"""How often it checks keys for promises to forget, milliseconds."""
LOOK_KEYS, LOOK_AGAIN = 64, 2
"""How many keys it checks then: the first number, and the second for each promise made since, so that none
pile up.
"""


class Passing:
    """Records on their way into the store. sent: those that are."""

    __slots__ = ("_waiters", "records", "sent")

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = self.sent = records
        self._waiters: list[asyncio.Future[None]] | None = None

    def concerns(self, key: str) -> bool:
        """Whether a record of a key is among them."""
        if isinstance(self.records, RecordBatch):
            return key.encode() in self.records.names
        return any(record[0] == key for record in self.records)

    def ended(self) -> "asyncio.Future[None]":
        """Done when they are in the store, or never will be."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters = [*(self._waiters or ()), waiter]
        return waiter

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for them."""
        return self._waiters is not None

    def end(self) -> None:
        """Report that they are."""
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)


class PromiseGuard:
    """The store behind its promises."""

    def __init__(self, store: Store, log: OperationLog, now_ms: int) -> None:
        self._store, self._log, self.promised = store, log, log.promises
        self._passing: set[Passing] = set()
        self._looked_at_ms, self._made = now_ms, 0
        if not log.has_floor:
            if log.is_new and store.high_water():  # the data is older than the log, so a log was lost
                self.promised.floor = floor_at(now_ms)
            log.keep_floor()

    # --- records

    def enter(self, records: Sequence[Record]) -> Passing:
        """Count records that are about to be applied; call `leave` once after each, whatever the outcome."""
        passing = Passing(records)
        self._passing.add(passing)
        return passing

    def leave(self, passing: Passing) -> None:
        """They are in the store, or never will be."""
        self._passing.discard(passing)
        if passing.is_awaited:
            passing.end()

    def apply(self, passing: Passing, now_ms: int, *, copied: bool) -> Awaitable[Sequence[Applied]]:
        """As Store.apply, except for refused records."""
        promised, records = self.promised, passing.records
        if promised.by_key or promised.floor:
            refused = promised.refused(records, now_ms, copied=copied)
            if refused:
                return self._apply_others(passing, refused, now_ms)
        passing.sent = records
        return self._store.apply(records, now_ms)

    async def _apply_others(
        self, passing: Passing, refused: dict[int, int], now_ms: int
    ) -> Sequence[Applied]:
        records = passing.records
        passing.sent = [record for place, record in enumerate(records) if place not in refused]
        applied = iter(await self._store.apply(passing.sent, now_ms) if passing.sent else ())
        held = iter(await self._store.get_many([records[place].key for place in refused]))
        return [
            _refusal(next(held), refused[place], now_ms) if place in refused else next(applied)
            for place in range(len(records))
        ]

    async def mend(self, key: str, record: Record | None) -> bool:
        """As Store.mend; False: a promise forbids the record in place of a damaged one."""
        if record is None:
            await self._store.mend(key, None)
            return True
        passing = self.enter((record,))
        try:
            if self.promised.blocks(key, record.version):
                return False
            await self._store.mend(key, record)
        finally:
            self.leave(passing)
        return True

    # --- promises

    async def promise(self, key: str, ballot: int, now_ms: int) -> Promised:
        """As Replica.promise. RecordDamagedError: the record can't be read, so nothing is promised."""
        stored = _version(await self._read(key))
        if not self.promised.add(key, ballot, stored):
            highest = max(stored, self.promised.top(key), self.promised.floor)
            if highest < ballot:
                raise UnavailableError("it has too many open promises; try again later")
            return Promised(False, highest)
        try:
            waits = [passing.ended() for passing in self._passing if passing.concerns(key)]
            await asyncio.gather(self._log.keep((key,)), *waits)
            record = await self._read(key)
        except BaseException:
            self.release(key, ballot)
            raise
        if _version(record) >= ballot:
            self.release(key, ballot)
            return Promised(False, _version(record))
        await self._forget_overtaken(now_ms)
        return Promised(True, self.promised.top(key), record)

    def release(self, key: str, ballot: int) -> None:
        """As Replica.release."""
        if self.promised.release(key, ballot):
            self._log.keep_soon((key,))

    def listed(self, spans: Sequence[Span]) -> list[KeyPromises]:
        """As Replica.promises."""
        found: list[KeyPromises] = []
        for key, ballots in self.promised.by_key.items():
            token = token_of(key)
            if any(span.first <= token <= span.last for span in spans):
                found.append(KeyPromises(key, ballots))
        return found

    async def take_over(self, promises: Sequence[KeyPromises]) -> None:
        """Take over the promises of other replicas; on return they are durable."""
        new = [key for key, ballots in promises if self.promised.take_over(key, ballots)]
        if new:
            waits = [p.ended() for p in self._passing if any(map(p.concerns, new))]
            await asyncio.gather(self._log.keep(new), *waits)

    async def _read(self, key: str) -> Record | None:
        (held,) = await self._store.get_many((key,))
        if isinstance(held, RecordDamagedError):
            raise held
        return held

    async def _forget_overtaken(self, now_ms: int) -> None:
        """Forget promises of some keys that were overtaken long ago. All keys get their turns, so that those
        whose promises stay keep none in memory.
        """
        self._made += 1
        if now_ms - self._looked_at_ms < LOOK_MS:
            return
        keys = self.promised.next_keys(LOOK_KEYS + LOOK_AGAIN * self._made)
        self._looked_at_ms, self._made = now_ms, 0
        old = [key for key in keys if wall_ms_of(self.promised.top(key)) < now_ms - KEPT_MS]
        for key, held in zip(old, await self._store.get_many(old), strict=True):
            if isinstance(held, Record) and self.promised.is_over(key, held.version, now_ms):
                self.promised.drop(key)
                self._log.keep_soon((key,))


def _version(record: Record | None) -> int:
    return 0 if record is None else record.version


def _refusal(held: Held, top: int, now_ms: int) -> Applied:
    """The outcome of a record that must reach a version."""
    if not isinstance(held, Record):
        return Applied(top, False, 0)
    return Applied(max(top, held.version + 1), held.is_live(now_ms), held.version)
