"""Fetching ranges from those that own them.

It owns the paging, and how many sources have to answer; the comparison is that of `repair/range_sync.py`. It
must never choose what to fetch, nor fetch from a node that may still take writes made under an older epoch
(`handoff.py` ensures both).

**Why it is enough to pull, and from some.** A majority of the owners has each acknowledged write, and
possibly no more. So this node reads one source in full, and compares the rest of `Owners.sources_needed` with
the records that have arrived: at least one of this many owners has each such write, and the node pulls the
newest record of each key from whichever source has it. Tombstones and expired values are pulled however old
they are (the scope has no cutoff), since another source may hold an older value that they overrule.

Nothing is pushed. A source needs nothing from here: a record that this node has and the source lacks is a
write under way, which its coordinator sends to all owners; or a write that another source has, and the
majority that acknowledged it remains one; or a leftover of this node's earlier ownership, of a key that its
owners may have deleted and purged since (`repair/cleanup.py` drops those that it can find), which must not
reach a node that reads ask. Anti-entropy makes the owners equal, during the change and after it.

**Promises come first** (`core/promises.py`). A conditional write that was sent, and is on one replica only,
may be completed at any time, by a read that meets it. Then nothing may have come between it and the record on
which it was judged; the replicas that promised it ensure that, and so must the new owners. The needed number
of sources includes one of each majority that promised. If a promise refuses a record here, a quorum of the
new side and as many of the old one as there must be sources settle it (`Owners.sides_to_settle` argues why
these are enough): then the new side has it, which is what the change needs, whether or not this node has it.
It needs no old owner that the change can do without, and no client's write.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from limedb.core.digest import LEAF_KEYS, cut
from limedb.core.layout import Span
from limedb.core.record import Record, value_size
from limedb.core.ring import token_of
from limedb.errors import LimeDBError, StaleEpochError, UnavailableError
from limedb.ports import KeyPromises, Replica
from limedb.replication.repair.range_sync import ReplicaCalls, sync_range

PAGE = 2000  # records asked for at once, and applied at once
SMALL = 1 << 20  # bytes: a page of fewer records than asked for is the last one when it has no more of values
LITTLE = 1 << 16  # bytes of values in a page
MANY_BYTES = 4 << 20  # of values that are applied at once, though they are fewer than PAGE records
MOST_AHEAD = 8  # ranges that hold little and are asked for side by side
LEAVES = 512  # digests asked for at once


TakeOver = Callable[[Sequence[KeyPromises]], Awaitable[None]]
Settle = Callable[[str], Awaitable[None]]


class Sources(NamedTuple):
    """first: the source that is read in full. others: those that are compared, by URL. needed: how many must
    answer, the first included.
    """

    first: Replica
    others: dict[str, Replica]
    needed: int


class _Piece(NamedTuple):
    """size: bytes of values."""

    span: Span
    records: list[Record]
    size: int


class Transfer:
    """Copies spans from sources to the own replica. on_done: called with each piece that is fetched in full,
    and how many records it had. take_over: adopts promises of the sources. settle: brings a key to a quorum
    of its owners.
    """

    def __init__(
        self,
        own: Replica,
        sources: Sources,
        replica_calls: ReplicaCalls,
        on_done: Callable[[Span, int], None],
        take_over: TakeOver | None = None,
        settle: Settle | None = None,
    ) -> None:
        self._own, self._sources = own, sources
        self._take_over, self._settle = take_over, settle
        self._replica_calls, self._on_done = replica_calls, on_done

    async def run(self, spans: Iterable[Span]) -> None:
        """Fetch spans. LimeDBError: the rest can be tried again, with other sources."""
        waiting: list[_Piece] = []
        async with aclosing(_ahead(self._pieces(spans))) as pieces:
            async for piece in pieces:
                waiting.append(piece)
                if _is_enough(waiting):
                    await self._take(waiting)
                    waiting = []
        await self._take(waiting)

    async def _pieces(self, spans: Iterable[Span]) -> AsyncIterator[_Piece]:
        """The records of the first source, page by page; the pieces cover the spans. As long as spans hold
        little, it asks for more and more side by side, since then the round trip takes most of the time.
        """
        left, coming, depth = deque(spans), deque[tuple[Span, asyncio.Task[list[Record]]]](), 1
        try:
            while left or coming:
                while left and len(coming) < depth:
                    span = left.popleft()
                    coming.append((span, asyncio.ensure_future(self._scan(span))))
                span, task = coming.popleft()
                records = await task
                size = sum(value_size(r.value) for r in records if r.value is not None)
                depth = min(2 * depth, MOST_AHEAD) if _is_little(len(records), size) else 1
                last = span.last if _is_last(len(records), size) else token_of(records[-1].key)
                if last < span.last:
                    left.appendleft(Span(last + 1, span.last))
                yield _Piece(Span(span.first, last), records, size)
        finally:
            for _, task in coming:
                task.cancel()
            await asyncio.gather(*(task for _, task in coming), return_exceptions=True)

    async def _scan(self, span: Span) -> list[Record]:
        return await self._replica_calls.scan(self._sources.first, span, PAGE)

    async def _take(self, pieces: Sequence[_Piece]) -> None:
        """Promise what the sources have promised, apply what came, and complete it from the other sources."""
        leaves = [leaf for piece in pieces for leaf in cut(piece.span, len(piece.records) // LEAF_KEYS + 1)]
        reasons: dict[str, str] = {}
        await self._promise(self._sources.first, pieces)
        await self._each_other(lambda source: self._promise(source, pieces), reasons)
        await self._replica_calls.apply(self._own, [record for piece in pieces for record in piece.records])
        await self._each_other(lambda source: self._complete_all(source, leaves), reasons)
        if 1 + len(self._sources.others) - len(reasons) < self._sources.needed:
            raise UnavailableError("; ".join(f"{url}: {reason}" for url, reason in reasons.items()))
        await self._settle_refused()
        for piece in pieces:
            self._on_done(piece.span, len(piece.records))

    async def _each_other(self, work: Callable[[Replica], Awaitable[None]], reasons: dict[str, str]) -> None:
        """Do something with each of the other sources except those that failed. reasons: why, by URL."""
        for url, source in self._sources.others.items():
            if url in reasons:
                continue
            try:
                await work(source)
            except StaleEpochError:
                raise
            except LimeDBError as error:
                reasons[url] = str(error)

    async def _complete_all(self, source: Replica, leaves: Sequence[Span]) -> None:
        for start in range(0, len(leaves), LEAVES):
            await self._complete(source, leaves[start : start + LEAVES])

    async def _promise(self, source: Replica, pieces: Sequence[_Piece]) -> None:
        """Promise what a source has promised."""
        if self._take_over is not None and pieces:
            spans = [piece.span for piece in pieces]
            await self._take_over(await self._replica_calls.promises(source, spans))

    async def _settle_refused(self) -> None:
        """Bring records that a promise refused here to the new side."""
        refused, self._replica_calls.refused = self._replica_calls.refused, set()
        for key in sorted(refused):
            if self._settle is None:
                raise UnavailableError("a conditional write is under way; it is fetched again")
            await self._settle(key)

    async def _complete(self, source: Replica, leaves: Sequence[Span]) -> None:
        """Fetch the records of another source that the own store lacks."""
        digests = await self._replica_calls.digests(self._own, leaves)
        await sync_range(self._own, source, leaves, digests, self._replica_calls, pushes=False)


def _is_last(count: int, size: int) -> bool:
    """Whether a page completes its span. A short page may have been cut for its size."""
    return count < PAGE and size < SMALL


def _is_little(count: int, size: int) -> bool:
    return count < PAGE // MOST_AHEAD and size < LITTLE


def _is_enough(pieces: Sequence[_Piece]) -> bool:
    """Whether pieces are worth a write of their own, or more would fill the memory."""
    return sum(len(p.records) for p in pieces) >= PAGE or sum(p.size for p in pieces) >= MANY_BYTES


async def _ahead(pieces: AsyncIterator[_Piece]) -> AsyncGenerator[_Piece, None]:
    """The same, fetching the next piece while one is worked on."""
    coming: asyncio.Task[_Piece | None] = asyncio.ensure_future(_next(pieces))
    try:
        while (piece := await coming) is not None:
            coming = asyncio.ensure_future(_next(pieces))
            yield piece
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def _next(pieces: AsyncIterator[_Piece]) -> _Piece | None:
    return await anext(pieces, None)
