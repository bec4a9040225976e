"""Fetches damaged records of this node's store from the other replicas.

It owns the reads for that, and decides when they are enough. It must never take damage for absence, nor
restore a record older than one that was acknowledged here.

**Why it is safe.** A write at QUORUM was acknowledged by a majority of the key's owners, of which this node
may have been one. Of the other owners, any `replicas - majority + 1` include one of the rest of that
majority: this many have to answer with verified records (or verified absence) before the newest of them
replaces the damaged one. Until then this node has no answer for the key: it counts neither as a replica that
has the record nor as one that lacks it, and takes no write for the key, since an older record in its place
would pass for its newest. A node that reads don't ask for the key (a new owner, or a former one) restores the
record of a majority of those that reads ask, as it would have fetched it. If all others have answered and too
few know the record, since it is damaged there too, the newest remaining one counts. If none remains, the
record is lost: reads of the key fail (DATA_LOSS) until somebody writes it again.

This doesn't cover a record that is damaged within the seconds in which its write is still on its way to the
others; nor ONE, whose writes last only as long as their one replica.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from itertools import islice
from typing import NamedTuple

from limedb.core.damage import Damage
from limedb.core.layout import Owners
from limedb.core.problems import Problem
from limedb.core.quorum import majority
from limedb.core.record import Record, merge
from limedb.errors import LimeDBError, RecordDamagedError, StaleEpochError, brief
from limedb.ports import Clock, Held, Placement, Replicas, Store
from limedb.replication.stale_epoch import follow_topology

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The first interval of further tries to mend."""
LONGEST_PAUSE = 30.0
READ_SECONDS = 5.0
BATCH = 32
"""Keys that are mended at the same time."""
LOGGED = 20
"""Keys that get a line in the log each, at most, until all is mended."""
TOLD_SECONDS = 3600.0
"""How long status shows damage that was mended, and two records of one version."""
NAMED = 5
"""Lost keys that status names."""


class Outcome(Enum):
    """The outcome of mending a key."""

    MENDED = "mended"
    WAITING = "waiting"
    LOST = "lost"


class Verdict(NamedTuple):
    """outcome, and the record that replaces the damaged one; None: nothing does."""

    outcome: Outcome
    record: Record | None = None


def judge(own_url: str, owners: Owners, answers: Mapping[str, Held | LimeDBError]) -> Verdict:
    """The verdict on the answers of the other owners that reads ask; see the module's argument. An owner that
    could not answer is an error other than RecordDamagedError.
    """
    others = [url for url in owners.natural if url != own_url]
    known = {url: held for url in others if not isinstance(held := answers[url], LimeDBError)}
    need = majority(owners.replicas)
    enough = owners.replicas - need + 1 if own_url in owners.natural else need
    records = [record for record in known.values() if record is not None]
    if len(known) >= enough and known:
        return Verdict(Outcome.MENDED, _newest(records))
    if any(_is_silent(answers[url]) for url in others) or len(others) < owners.replicas - 1:
        return Verdict(Outcome.WAITING)
    return Verdict(Outcome.MENDED, _newest(records)) if records else Verdict(Outcome.LOST)


class Healer:
    """Mends the own store. run: until cancelled; heal: now. mend: replaces a damaged record, and returns
    whether it may.
    """

    def __init__(
        self, own_url: str, store: Store, replicas: Replicas, placement: Placement, clock: Clock
    ) -> None:
        self._own_url, self._store, self._replicas = own_url, store, replicas
        self._placement, self._clock = placement, clock
        self._damage: Damage = store.damage
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._noted = asyncio.Event()
        self._logged = 0
        self._found_at = self._conflict_at = float("-inf")
        self._known = (0, 0)
        self.mend: Callable[[str, Record | None], Awaitable[bool]] = self._mend

    async def _mend(self, key: str, record: Record | None) -> bool:
        await self._store.mend(key, record)
        return True

    def is_lost(self, key: str) -> bool:
        """Whether no replica has an intact copy of a damaged record, so that a write may replace it."""
        return key in self._damage.lost_now

    async def heal(self, keys: Iterable[str], deadline: float) -> bool:
        """Mend keys whose records are damaged; return whether all are mended."""
        outcomes = await asyncio.gather(*(self._heal_once(key, deadline) for key in keys))
        return all(outcome is Outcome.MENDED for outcome in outcomes)

    async def run(self) -> None:
        """Mend the listed keys, until cancelled."""
        pause, loop = LOOK_SECONDS, asyncio.get_running_loop()
        self._damage.listen(lambda: _wake(loop, self._noted))
        while True:
            self._noted.clear()
            self._look()
            waiting = await self._pass()
            pause = min(2 * pause, LONGEST_PAUSE) if waiting else LOOK_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._noted.wait(), pause if waiting else None)

    def problems(self) -> Iterator[Problem]:
        """The damage of stored records, as a source of `Problems`."""
        self._look()
        now = self._clock.monotonic()
        if self._damage.structure:
            yield Problem(self._damage.structure, is_private=True)
        if self._damage:
            yield Problem(self._describe(), is_private=True)
        elif now - self._found_at < TOLD_SECONDS:
            yield Problem(
                f"{self._damage.mended} damaged records and {self._damage.index} entries of the index"
                f" were found"
                " on this node's disk since its start, and mended: check the disk and the memory"
            )
        if now - self._conflict_at < TOLD_SECONDS:
            key, between = self._damage.conflict
            yield Problem(
                f"key {brief(key)} has two different records of one version, between {between}"
                f" ({self._damage.conflicts} such cases since the start): two writes in one millisecond,"
                f" a damaged"
                " memory, or data that was changed by hand; one of them stands everywhere: read the key",
                is_private=True,
            )

    # --- one key

    async def _heal_once(self, key: str, deadline: float) -> Outcome:
        """Mend a key, or wait for the task that mends it, until the deadline at most."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.get_running_loop().create_task(self._heal(key))
            task.add_done_callback(lambda _: self._running.pop(key, None))
        done, _ = await asyncio.wait([task], timeout=max(0.0, deadline - self._clock.monotonic()))
        return task.result() if done else Outcome.WAITING

    async def _heal(self, key: str) -> Outcome:
        try:
            outcome = await self._ask_and_mend(key)
        except LimeDBError as error:
            log.info("the damaged record of key %s can't be mended yet: %s", brief(key), error)
            return Outcome.WAITING
        if outcome is Outcome.LOST and key not in self._damage.lost_now:
            self._damage.lose(key)
            log.error(
                "the record of key %s is damaged and no other replica has it: it is lost; write the key again"
                " or delete it", brief(key),
            )  # fmt: skip
        return outcome

    async def _ask_and_mend(self, key: str) -> Outcome:
        (own,) = await self._store.get_many([key])
        if not isinstance(own, RecordDamagedError):  # it was overwritten, or mended from the store itself
            self._mended(key)
            return Outcome.MENDED
        owners = self._placement.layout.of_key(key)
        others = [url for url in owners.natural if url != self._own_url]
        held = await asyncio.gather(*(self._ask(url, key) for url in others))
        verdict = judge(self._own_url, owners, dict(zip(others, held, strict=True)))
        if verdict.outcome is Outcome.MENDED:
            if not await self.mend(key, verdict.record):
                return Outcome.WAITING  # for the conditional write before which the record may not come
            self._mended(key)
        return verdict.outcome

    async def _ask(self, url: str, key: str) -> Held | LimeDBError:
        if not self._replicas.is_reachable(url):
            return LimeDBError("it is away")
        layout, deadline = self._placement.layout, self._clock.monotonic() + READ_SECONDS
        try:
            (held,) = await self._replicas.at(url).read((key,), layout.topology.fence, deadline)
        except StaleEpochError as error:
            follow_topology(self._placement, error, layout)
            return error
        except LimeDBError as error:
            return error
        return held

    async def overwrite(self, record: Record) -> None:
        """Replace a lost record."""
        await self._store.mend(record.key, record)
        self._mended(record.key)

    def _mended(self, key: str) -> None:
        self._damage.drop(key, is_mended=True)
        if self._logged <= LOGGED:
            log.warning("the record of key %s, damaged on this node's disk, was mended", brief(key))

    # --- all that is listed

    async def _pass(self) -> bool:
        """Try to mend all listed keys once; return whether some are left."""
        seen = 0
        listed = self._damage.some(len(self._damage))
        while batch := listed[seen : seen + BATCH]:
            seen += len(batch)
            for key, why in batch:
                self._tell(key, why)
            await self.heal([key for key, _ in batch], self._clock.monotonic() + 2 * READ_SECONDS)
        if not self._damage:
            self._logged = 0
        return bool(self._damage)

    def _tell(self, key: str, why: str) -> None:
        if key in self._damage.lost_now:
            return
        self._logged += 1
        if self._logged <= LOGGED:
            log.warning("the record of key %s is damaged on this node's disk (%s)", brief(key), why)
        elif self._logged == LOGGED + 1:
            log.warning("more records are damaged: status counts them, and no more are named here")

    def _look(self) -> None:
        """Note the time of the last finding, and report two records of one version."""
        damage, now = self._damage, self._clock.monotonic()
        found, conflicts = damage.found + damage.index, damage.conflicts
        if found > self._known[0]:
            self._found_at = now
        if conflicts > self._known[1]:
            if now - self._conflict_at > LOOK_SECONDS * 10:
                log.error("key %s: two different records of one version, between %s", *damage.conflict)
            self._conflict_at = now
        self._known = (found, conflicts)

    def _describe(self) -> str:
        key, why = self._damage.some(1)[0]
        lost, text = self._damage.lost_now, f"{len(self._damage)} records on this node's disk are damaged"
        text += f" (key {brief(key)}: {why})"
        if len(self._damage) > len(lost):
            text += "; they are fetched from the other replicas as soon as enough of those answer"
        if lost:
            some = ", ".join(brief(key) for key in islice(lost.copy(), NAMED))
            text += f"; {len(lost)} of them no other replica has ({some}{', ...' * (len(lost) > NAMED)}):"
            text += " write those keys again or delete them"
        return f"{text}; check the disk"


def _wake(loop: asyncio.AbstractEventLoop, noted: asyncio.Event) -> None:
    """Set an event of the loop's, in whatever thread this is."""
    with suppress(RuntimeError):  # the loop was closed
        loop.call_soon_threadsafe(noted.set)


def _is_silent(held: Held | LimeDBError) -> bool:
    """Whether an owner gave no answer, so that it may know more later."""
    return isinstance(held, LimeDBError) and not isinstance(held, RecordDamagedError)


def _newest(records: Sequence[Record]) -> Record | None:
    newest: Record | None = None
    for record in records:
        newest = record if newest is None else merge(newest, record)
    return newest
