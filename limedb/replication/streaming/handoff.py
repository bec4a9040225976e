"""The gaining side of a change: this node fetches the ranges that it will own.

It owns the list of ranges that it must still fetch, their sources, and the account of the progress. It must
never fetch a range before enough of its owners have learned the epoch, nor from an owner that has not: a
write made under an older epoch could still reach that owner, and be acknowledged, after it was read.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from limedb.aio.broadcast import ask_each
from limedb.core.digest import cut
from limedb.core.layout import Owners, Span, coalesce, subtract
from limedb.core.report import Progress
from limedb.core.ring import TOKENS
from limedb.core.topology import Fence, Topology
from limedb.errors import LimeDBError, StaleEpochError, UnavailableError
from limedb.ports import Clock, Placement, Replicas, Saved, TopologyTransport
from limedb.replication.repair.range_sync import ReplicaCalls, Scope
from limedb.replication.stale_epoch import follow_topology
from limedb.replication.streaming.transfer import Settle, Sources, TakeOver, Transfer

log = logging.getLogger(__name__)

WORKERS = 4  # parts that are fetched side by side: the bound on what a change costs the sources
SPANS = 16  # in a part
SLICES = 64  # of all tokens: no range is larger, so that few large ones are fetched side by side too
LEARN_TIMEOUT = 5.0
RETRY = 0.5  # seconds until what failed is tried again
SAVE_SECONDS = 0.25  # between two notes of the progress: a node that dies fetches the rest again
RATE_SECONDS = 5.0


class OwnTopology(Placement, Protocol):
    """The topology that the node follows, and its stored progress in it; see `cluster/topology/store.py`."""

    @property
    def topology(self) -> Topology:
        """The newest one known."""

    @property
    def saved(self) -> Saved:
        """The stored progress."""

    async def wait_changed(self, known: Topology) -> Topology:
        """Wait for a newer one."""

    async def learn(self, topology: Topology) -> Topology:
        """Adopt one, if it is newer and proven; return the newest one known."""

    async def remember(self, **fields: Any) -> None:  # noqa: ANN401 (the fields of Saved)
        """Store the progress of this node's part."""


@dataclass(slots=True)
class Part:
    """Ranges with the same owners. number: of the part; attempts: so far."""

    number: int
    owners: Owners
    spans: list[Span]
    attempts: int = 0


@dataclass(slots=True)
class StreamJob:
    """All that this node fetches in one epoch. left: tokens that each range still lacks. learned: owners that
    know the epoch, with no older write running. is_asked: all owners were asked once.
    """

    fence: Fence
    parts: list[Part] = field(default_factory=list)
    left: dict[Span, int] = field(default_factory=dict)
    done: list[Span] = field(default_factory=list)
    learned: set[str] = field(default_factory=set)
    is_asked: bool = False
    is_done: bool = False
    keys: int = 0
    waiting_for: str = ""
    saved_at: float = 0.0
    arrivals: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def owners(self) -> list[str]:
        """The nodes that it fetches from."""
        return sorted({url for part in self.parts for url in part.owners.natural})

    def finish(self, piece: Span) -> None:
        """Note that a piece of a range is here."""
        self.done.append(piece)
        for span in self.left:
            if span.first <= piece.first <= span.last:
                self.left[span] -= piece.size
                break
        if len(self.done) > 1000:
            self.done = coalesce(sorted(self.done))


class Handoff:
    """Fetches what this node gains, whenever a change streams; it continues where a restart cut it off.

    drop_stale: called before anything is fetched, until it returns True: it drops leftovers of an earlier
    ownership that could revive deleted keys. calls_class: of the messages to replicas. take_over, settle: see
    `Transfer`.
    """

    calls_class = ReplicaCalls

    def __init__(
        self,
        own_url: str,
        topology_store: OwnTopology,
        replicas: Replicas,
        transport: TopologyTransport,
        clock: Clock,
        drop_stale: Callable[[], Awaitable[bool]],
    ) -> None:
        self._own_url, self._topology_store, self._replicas = own_url, topology_store, replicas
        self._transport, self._clock, self._drop_stale = transport, clock, drop_stale
        self._job = StreamJob(Fence("", 0), is_done=True)
        self.take_over: TakeOver | None = None
        self.settle: Settle | None = None

    async def run(self) -> None:
        """Do the node's part of every change, until cancelled."""
        while True:
            topology = self._topology_store.topology
            async with asyncio.TaskGroup() as tasks:
                work = tasks.create_task(self._carry_out(self._current(), topology))
                await self._topology_store.wait_changed(topology)
                work.cancel()

    def progress(self) -> Progress:
        """The progress of the node's part of the change."""
        job = self._current()
        now = self._clock.monotonic()
        recent = sum(keys for at, keys in job.arrivals if at > now - RATE_SECONDS)
        return Progress(
            epoch=job.fence.epoch,
            spans=len(job.left),
            spans_done=sum(not left for left in job.left.values()),
            keys=job.keys,
            keys_per_second=recent / RATE_SECONDS,
            waiting_for="" if job.is_done else job.waiting_for,
            is_done=job.is_done,
            cluster_id=job.fence.cluster_id,
        )

    # --- what is to be done

    def _current(self) -> StreamJob:
        """The job of the newest epoch."""
        if self._job.fence != self._topology_store.topology.fence:
            self._job = self._plan()
        return self._job

    def _plan(self) -> StreamJob:
        saved, job = self._topology_store.saved, StreamJob(self._topology_store.topology.fence)
        gains = self._topology_store.layout.ranges_to_stream(self._own_url)
        done = saved.fetched if saved.fetched_epoch == job.fence.epoch else ()
        groups: dict[Owners, list[Span]] = {}
        for span, owners in gains:
            groups.setdefault(Owners(owners.natural, (), owners.replicas), []).append(span)
        for owners, spans in groups.items():
            spans = [
                piece for span in coalesce(spans) for piece in cut(span, -(-span.size * SLICES // TOKENS))
            ]
            job.left |= {span: sum(s.size for s in subtract([span], done)) for span in spans}
            for start in range(0, len(spans), SPANS):
                part = Part(len(job.parts), owners, spans[start : start + SPANS])
                job.parts.append(part)
        job.done = list(done)
        job.is_done = not gains
        return job

    # --- doing it

    async def _carry_out(self, job: StreamJob, topology: Topology) -> None:
        if job.is_done:
            return
        todo = deque(part for part in job.parts if self._rest(job, part))
        job.waiting_for = "leftovers of an earlier ownership to be looked at"
        while not await self._drop_stale():  # noqa: ASYNC110 (what it waits for is other nodes)
            await asyncio.sleep(RETRY)
        log.info("fetching %d ranges from %s", len(job.left), ", ".join(job.owners) or "nobody")
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._inform_owners(job, topology))
            async with asyncio.TaskGroup() as workers:
                for _ in range(WORKERS):
                    workers.create_task(self._work(job, todo))
            asking.cancel()
        await self._save_at_last(job)
        job.is_done = True
        log.info("fetched %d ranges, %d keys", len(job.left), job.keys)

    async def _inform_owners(self, job: StreamJob, topology: Topology) -> None:
        """Make sure that the owners know the epoch, until all do."""

        def take(url: str, known: Topology) -> None:
            if known.fence == job.fence:
                job.learned.add(url)
            else:
                self._topology_store.adopt(known)

        while missing := [url for url in job.owners if url not in job.learned]:
            await ask_each(missing, lambda url: self._transport.learn(url, topology, LEARN_TIMEOUT), take)
            job.is_asked = True
            await asyncio.sleep(RETRY)

    async def _work(self, job: StreamJob, todo: deque[Part]) -> None:
        while todo:
            part, layout = todo.popleft(), self._topology_store.layout
            try:
                await self._fetch(job, part)
                job.waiting_for = ""
            except LimeDBError as error:
                if isinstance(error, StaleEpochError):
                    follow_topology(self._topology_store, error, layout)
                part.attempts += 1
                job.waiting_for = str(error)
                todo.append(part)
                await asyncio.sleep(RETRY)

    async def _fetch(self, job: StreamJob, part: Part) -> None:
        rest = self._rest(job, part)
        if not rest:
            return
        transfer = Transfer(
            self._replicas.at(self._own_url),
            self.sources(job, part),
            self.calls_class(Scope(job.fence, cutoff_ms=0), self._clock),
            lambda span, keys: self._note(job, span, keys),
            self.take_over,
            self.settle,
        )
        job.waiting_for = ""
        await transfer.run(rest)
        await self._save_at_times(job)

    def sources(self, job: StreamJob, part: Part) -> Sources:
        """The sources of a part: all possible owners, each the first for some parts, or this node.

        UnavailableError: too few of them are ready yet.
        """
        needed = part.owners.sources_needed
        ready = [
            url
            for url in part.owners.natural
            if url in job.learned and (self._replicas.is_reachable(url) or part.attempts)
        ]
        if len(ready) < (needed if job.is_asked else len(part.owners.natural)) or not ready:
            raise UnavailableError(self._lack(job, part, needed))
        turn = (part.number + part.attempts) % len(ready)
        if self._own_url in ready:  # an owner of the range only compares its records
            turn = ready.index(self._own_url)
        first, *others = ready[turn:] + ready[:turn]
        return Sources(self._replicas.at(first), {url: self._replicas.at(url) for url in others}, needed)

    def _lack(self, job: StreamJob, part: Part, needed: int) -> str:
        owners = part.owners
        missing = [
            url for url in owners.natural if url not in job.learned or not self._replicas.is_reachable(url)
        ]
        return f"{needed} of {', '.join(owners.natural)} have to be there; missing: {', '.join(missing)}"

    def _rest(self, job: StreamJob, part: Part) -> list[Span]:
        """What of a part isn't fetched yet."""
        return subtract(part.spans, coalesce(sorted(job.done)))

    # --- the account

    def _note(self, job: StreamJob, span: Span, keys: int) -> None:
        job.finish(span)
        now = self._clock.monotonic()
        job.keys += keys
        job.arrivals.append((now, keys))
        while job.arrivals and job.arrivals[0][0] <= now - RATE_SECONDS:
            job.arrivals.popleft()

    async def _save_at_times(self, job: StreamJob) -> None:
        if self._clock.monotonic() - job.saved_at >= SAVE_SECONDS:
            await self._save(job)

    async def _save_at_last(self, job: StreamJob) -> None:
        """Store that all is fetched, however long that takes."""
        while True:
            try:
                return await self._save(job)
            except LimeDBError as error:
                job.waiting_for = str(error)
                await asyncio.sleep(RETRY)

    async def _save(self, job: StreamJob) -> None:
        job.saved_at = self._clock.monotonic()
        job.done = coalesce(sorted(job.done))
        await self._topology_store.remember(fetched_epoch=job.fence.epoch, fetched=tuple(job.done))
