"""Asks peers to confirm together the keys of several requests that come at the same time.

It owns the requests until their keys are confirmed. Joining requests must never change anything but the cost:
each gets its answer as soon as its own key is confirmed, and one whose key isn't goes the whole way by
itself, with its own deadline and its own errors.

It reads the own records when it sends a group, so after each of the group's requests has come: a read must
see all writes acknowledged before it began (`confirmed_reads.py`). A request that comes later takes part in
the next group, also if its key is being confirmed just now.

While a group is on its way, new requests gather for the next one, until LINGER_SECONDS after that was sent,
or longer where this node is busy (`aio/group_window.py`). A request that comes alone never waits.
"""

import asyncio
from collections.abc import Sequence

from limedb.aio.group_window import GroupWindow
from limedb.aio.tasks import Tasks
from limedb.core.quorum import Level
from limedb.encoding.sums import Found
from limedb.ports import Clock
from limedb.replication.read.confirmed_reads import ConfirmedReads, OwnRead, too_late
from limedb.replication.read.reader import Comparison

LINGER_SECONDS = 0.005
"""Seconds between two groups, unless the first is answered sooner; more where the loop is busy."""
MAX_TOGETHER = 256

Waiter = asyncio.Future[bytes | None]


class GetBatcher:
    """Gathers keys, by the level and the second of the deadline of their requests."""

    def __init__(self, reads: ConfirmedReads, clock: Clock, tasks: Tasks) -> None:
        self._reads, self._clock, self._tasks = reads, clock, tasks
        self._waiting: dict[tuple[Level, int], list[tuple[str, Waiter, float]]] = {}
        self._window = GroupWindow(self._flush, self._count, LINGER_SECONDS, clock.worked)

    async def get(self, key: str, level: Level, deadline: float) -> bytes | None:
        """The stored bytes of a key, confirmed for the level; empty: nothing is stored; None: read it the
        whole way. NotMemberError. RequestTimeoutError: there is no time for that.
        """
        if not self._reads.covers(key, level):
            return None
        began = self._clock.monotonic()
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((level, int(deadline)), []).append((key, waiter, deadline))
        self._window.notify()
        data = await waiter
        if data is None and (late := too_late(key, began, self._clock.monotonic(), deadline)) is not None:
            raise late
        return data

    def _count(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _flush(self) -> int:
        waiting, self._waiting = self._waiting, {}
        groups = 0
        for (level, _), all_of_it in waiting.items():
            for start in range(0, len(all_of_it), MAX_TOGETHER):
                groups += self._send(all_of_it[start : start + MAX_TOGETHER], level)
        return groups

    def _send(self, requests: Sequence[tuple[str, Waiter, float]], level: Level) -> int:
        """Read the keys of a group, and ask peers to confirm them; return how many groups that makes."""
        group = _Group()
        for key, waiter, _ in requests:
            group.waiters.setdefault(key, []).append(waiter)
        keys = [*group.waiters]
        try:
            read = self._reads.begin(keys, level, largest=self._reads.max_record)
        except Exception:  # each request gets the same error on the whole way
            read = None
        if read is None:
            group.end()
            return 0
        group.take(keys, read)
        self._tasks.start(self._confirm(group, read, min(deadline for *_, deadline in requests)))
        return 1

    async def _confirm(self, group: "_Group", read: OwnRead, deadline: float) -> None:
        try:
            await self._reads.confirm(read, deadline)
        finally:
            group.end()
            self._window.end()


class _Group:
    """Requests that are confirmed together. waiters: of each key."""

    __slots__ = ("_found", "waiters")

    def __init__(self) -> None:
        self.waiters: dict[str, list[Waiter]] = {}
        self._found: list[Found] = []

    def take(self, keys: Sequence[str], read: OwnRead) -> None:
        """Take the records; keys that can't be confirmed go the whole way at once."""
        self._found = read.found
        for key in {keys[place] for place in read.others}:
            _resolve(self.waiters.pop(key), None)
        for comparison in read.comparisons:
            comparison.when_settled = self._settle

    def end(self) -> None:
        """Send the remaining requests the whole way."""
        for waiters in self.waiters.values():
            _resolve(waiters, None)

    def _settle(self, comparison: Comparison) -> None:
        """Answer the requests whose keys are confirmed."""
        if not comparison.is_enough:
            return
        differing = comparison.differing
        for i, (key, place) in enumerate(zip(comparison.keys, comparison.places, strict=True)):
            if i not in differing and (waiters := self.waiters.pop(key, None)) is not None:
                _resolve(waiters, self._found[place] or b"")  # type: ignore[arg-type]


def _resolve(waiters: Sequence[Waiter], data: bytes | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(data)
