"""The executor of calls: it sends each where there is a way, and retries it where that can't do harm.

It owns which calls are retried, where, and for how long. Reads may be retried; writes only where no node has
begun them, or where nodes apply them once, however often they are sent. It must never outlast a deadline.
"""

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Sequence

from limedb.aio.retrying import Retries, asked_pause, tried_words
from limedb.client.batch_bytes import marked
from limedb.client.batches import MAX_ITEMS, Batch, Gathering, Reads, Writes
from limedb.client.edits import Edits
from limedb.client.node_connection import NodeConnection
from limedb.client.outcomes import NoAnswer, Outcome, RetryPolicy, again, asked_seconds, error_of, is_unknown
from limedb.client.routing import Routing
from limedb.errors import ConditionFailedError, LimeDBError, OutcomeUnknownError
from limedbpb.v1 import record_pb2


class PendingCall:
    """A call for one key. write: the bytes of a BatchWrite; None: it is a read. once: the idempotency key, by
    which nodes apply the write once, however often it is sent; empty: they don't. tries: how many so far,
    since `began` (seconds, monotonic). outcome: the last one; unknown: the first that left open whether it
    was written. reads: the kind of batch in which a read travels. version: of a write that depends on its
    key's current value, the version that it requires (0: none); None: it depends on nothing. operation: of an
    edit, whose write is then the bytes of its own message; empty: it isn't an edit. is_read: it changes
    nothing.
    """

    __slots__ = (
        "_attempt",
        "began",
        "is_read",
        "key",
        "once",
        "operation",
        "outcome",
        "reads",
        "tries",
        "unknown",
        "version",
        "write",
    )

    def __init__(
        self,
        key: str,
        write: bytes | None = None,
        once: bytes = b"",
        began: float | None = None,
        reads: type[Reads] = Reads,
        version: int | None = None,
        operation: str = "",
        is_read: bool = False,
    ) -> None:
        self.operation, self.is_read = operation, is_read or write is None
        self.key, self.write, self.once, self.reads, self.version = key, write, once, reads, version
        self.outcome: Outcome = NoAnswer("", "there was no time to send it", begun=False)
        self.unknown: Outcome | None = None
        self.tries, self.began, self._attempt = 0, time.monotonic() if began is None else began, 0

    def item(self, write: bytes) -> bytes:
        """The message of the next try. write: its own."""
        return marked(write, self.once, self._attempt) if self.once else write

    def take(self, outcome: Outcome) -> RetryPolicy:
        """Take the outcome of a try; return whether to try again."""
        self.tries += 1
        self.outcome = outcome
        if self.is_read:
            return again(outcome, is_write=False, repeatable=False)
        if is_unknown(outcome):
            self.unknown = self.unknown or outcome
        if self.once:
            self._mark()
        return again(outcome, is_write=True, repeatable=bool(self.once))

    def _mark(self) -> None:
        """Prepare the next try. While an earlier one may have written, each gets a number of its own; with a
        number, any error leaves open whether it was written. Otherwise the next one is a new write.
        """
        if self.unknown is not None:
            self._attempt += 1
        else:
            self.once = new_key()

    def error(self) -> LimeDBError | None:
        """Return the error that the caller gets; None: the call succeeded."""
        error = last = error_of(self.key, self.outcome, not self.is_read)
        if error is not None and self.unknown is not None and not self._never_wrote():
            error = error_of(self.key, self.unknown, is_write=True)
        if error is not None:
            error.tried = tried_words(self.tries, time.monotonic() - self.began)
            if last is not error and not isinstance(last, OutcomeUnknownError):
                error.tried += f"; the last try: {last}"
        return error

    def _never_wrote(self) -> bool:
        """Return whether its last outcome proves that no try wrote, or will: by its key the nodes know that
        none did, and the version that it requires never returns.
        """
        return isinstance(self.outcome, ConditionFailedError) and bool(self.version)


def new_key() -> bytes:
    """Return an idempotency key: the time and random bytes, as in a UUID version 7."""
    return (time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10)


class RetryingExecutor:
    """Carries calls to their outcomes over a routing. patient: it retries a call that every node refused, or
    whose outcome is unknown, until its deadline, after a pause each time. routing: the ways of its calls.
    """

    def __init__(self, routing: Routing, patient: bool) -> None:
        self.routing, self._patient = routing, patient
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        """The loop's clock, in seconds: that of deadlines."""
        return self._loop.time()

    async def carry_on(
        self, job: PendingCall, tried: NodeConnection | None, level: record_pb2.Consistency, deadline: float
    ) -> None:
        """Continue a call that has been tried once, at a node, or that had no way."""
        policy = job.take(job.outcome) if tried is not None else RetryPolicy.ANYWHERE
        if policy is RetryPolicy.LATER and not await self._wait_asked([job], deadline):
            return
        if policy is not RetryPolicy.NO:
            avoid = {tried} if tried is not None and policy is RetryPolicy.ELSEWHERE else set()
            await self.carry([job], level, deadline, avoid)

    async def carry(
        self,
        jobs: Iterable[PendingCall],
        level: record_pb2.Consistency,
        deadline: float,
        avoid: "set[NodeConnection] | None" = None,
    ) -> None:
        """Carry calls for different keys, all of one kind, to their last outcomes by the deadline (seconds of
        the loop's clock). avoid: nodes that have refused them.
        """
        left, avoid = list(jobs), set() if avoid is None else avoid
        retries = Retries(self.routing.budget)
        while left and self._loop.time() < deadline:
            by_node = self._placed(left, avoid)
            if not by_node:
                if not await self._may_wait(left, avoid, deadline):
                    return
                continue
            await self._send(by_node, level, deadline)
            left, lost, later = _again(by_node, avoid)
            if later and not await self._wait_asked(later, deadline):
                left = [job for job in left if job not in later]
            elif lost or (left and self._patient):
                await asyncio.sleep(min(retries.pause(), max(0.0, deadline - self._loop.time())))

    def _placed(
        self, jobs: Iterable[PendingCall], avoid: set[NodeConnection]
    ) -> dict[NodeConnection, list[PendingCall]]:
        """Group calls by the node that they go to; leave out those that no node can take."""
        by_node: dict[NodeConnection, list[PendingCall]] = {}
        for job in jobs:
            node = self.routing.pick(job.key, avoid)
            if node is not None:
                by_node.setdefault(node, []).append(job)
        return by_node

    async def _may_wait(
        self, jobs: Iterable[PendingCall], avoid: set[NodeConnection], deadline: float
    ) -> bool:
        """Return whether calls that no node could take may be placed once more: because there is a way now,
        or because they may return to nodes that have refused them.
        """
        if avoid:
            avoid.clear()
            return self._patient or await self._wait_asked(jobs, deadline)
        if await self.routing.wait_way(deadline):
            return True
        for job in jobs:
            job.outcome = self.routing.no_way()
            job.tries += 1  # looking for a way in vain
        return False

    async def _wait_asked(self, jobs: Iterable[PendingCall], deadline: float) -> bool:
        """Wait as long as nodes that refused calls asked for; return whether there was one that did, and time
        for that.
        """
        pause = asked_pause(max((asked_seconds(job.outcome) for job in jobs), default=0.0))
        if not pause or self._loop.time() + pause >= deadline:
            return False
        await asyncio.sleep(pause)
        return True

    async def _send(
        self, by_node: dict[NodeConnection, list[PendingCall]], level: record_pb2.Consistency, deadline: float
    ) -> None:
        gathering = Gathering(sum(map(len, by_node.values())), self._loop)
        timeout = max(0.001, deadline - self._loop.time())
        for node, jobs in by_node.items():
            for batch in _batches(jobs, level, timeout, gathering):
                node.send(batch)
        await gathering.whole
        for jobs in by_node.values():
            for job in jobs:
                job.outcome = gathering.outcomes[job.key]


def _again(
    by_node: dict[NodeConnection, list[PendingCall]], avoid: set[NodeConnection]
) -> tuple[list[PendingCall], bool, set[PendingCall]]:
    """Return the calls to retry, whether to pause first, and those of them that are to wait as long as nodes
    asked for; add nodes that refused one to `avoid`.
    """
    left, lost, later = [], False, set()
    for node, jobs in by_node.items():
        for job in jobs:
            policy = job.take(job.outcome)
            if policy is RetryPolicy.NO:
                continue
            left.append(job)
            if policy is RetryPolicy.ELSEWHERE:
                avoid.add(node)
            elif policy is RetryPolicy.LATER:
                later.add(job)
            lost = lost or policy is RetryPolicy.ANYWHERE
    return left, lost, later


def _batches(
    jobs: Sequence[PendingCall], level: record_pb2.Consistency, timeout: float, gathering: Gathering
) -> Iterator[Batch]:
    asking = [job for job in jobs if job.write is None]
    for start in range(0, len(asking), MAX_ITEMS):
        reads = asking[0].reads(level, timeout, gathering)
        reads.keys = [job.key for job in asking[start : start + MAX_ITEMS]]
        yield reads
    writes = Writes(level, timeout, gathering)
    for job in jobs:
        if job.write is None:
            continue
        if job.operation:
            edit = Edits(job.operation, level, timeout, gathering)
            edit.add(job.key, job.item(job.write), True)
            yield edit
            continue
        if writes.is_full:
            yield writes
            writes = Writes(level, timeout, gathering)
        writes.add(job.key, job.item(job.write), bool(job.once))
        writes.depends = job.version is not None
    if writes.keys:
        yield writes
