"""Fetching ranges from those that own them.

It owns the copying and the comparing. It must never choose what to fetch, nor fetch from a node that may
still take writes made under an older epoch (`handoff.py` sees to both).

An acknowledged write is on a majority of the owners only. So one of them is read in full, and the rest of a
majority is compared with what has arrived, by digests of about a hundred keys and then by entries.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from limedb.core.damage import check_whole
from limedb.core.layout import Span
from limedb.core.record import Record, value_size
from limedb.core.ring import token_of
from limedb.core.topology import Fence
from limedb.errors import LimeDBError, ResponseTooLargeError, StaleEpochError, UnavailableError
from limedb.ports import Clock, Held, IndexEntry, Replica

PAGE = 2000  # records asked for at once, and applied at once
SMALL = 1 << 20  # bytes: a page of fewer records than asked for is the last one when it has no more of values
LITTLE = 1 << 16  # bytes of values in a page
MOST_AHEAD = 8  # ranges that hold little and are asked for side by side
LEAF = 100  # keys that a digest covers
LEAVES = 500  # digests asked for at once
DIFFERING = 20  # leaves whose entries are asked for at once
READ = 64  # keys read at once
CALL_SECONDS = 10.0


class Sources(NamedTuple):
    """first: who is read in full. others: who is compared, by URL. needed: how many must answer, the first
    included.
    """

    first: Replica
    others: dict[str, Replica]
    needed: int


class _Piece(NamedTuple):
    span: Span
    records: list[Record]


class Transfer:
    """Copies spans from sources to the own replica. on_done: told of each piece that is fetched in full, and
    how many records it had.
    """

    def __init__(
        self, own: Replica, sources: Sources, fence: Fence, clock: Clock, on_done: Callable[[Span, int], None]
    ) -> None:
        self._own, self._sources, self._fence = own, sources, fence
        self._clock, self._on_done = clock, on_done

    async def run(self, spans: Iterable[Span]) -> None:
        """Fetch spans. LimeDBError: what is not done yet can be tried again, with other sources."""
        waiting: list[_Piece] = []
        async with aclosing(_ahead(self._pieces(spans))) as pieces:
            async for piece in pieces:
                waiting.append(piece)
                if sum(len(p.records) for p in waiting) >= PAGE:
                    await self._take(waiting)
                    waiting = []
        await self._take(waiting)

    async def _pieces(self, spans: Iterable[Span]) -> AsyncIterator[_Piece]:
        """What the first source has, page by page; the pieces cover the spans. As long as spans hold little,
        ever more are asked for side by side, for what they then take is the way there and back.
        """
        left, coming, depth = deque(spans), deque[tuple[Span, asyncio.Task[list[Record]]]](), 1
        try:
            while left or coming:
                while left and len(coming) < depth:
                    span = left.popleft()
                    coming.append((span, asyncio.ensure_future(self._scan(span))))
                span, task = coming.popleft()
                records = await task
                depth = min(2 * depth, MOST_AHEAD) if _is_little(records) else 1
                last = span.last if _is_last(records) else token_of(records[-1].key)
                if last < span.last:
                    left.appendleft(Span(last + 1, span.last))
                yield _Piece(Span(span.first, last), records)
        finally:
            for _, task in coming:
                task.cancel()
            await asyncio.gather(*(task for _, task in coming), return_exceptions=True)

    async def _scan(self, span: Span) -> list[Record]:
        return await self._sources.first.scan(span, PAGE, self._fence, self._deadline())

    async def _take(self, pieces: Sequence[_Piece]) -> None:
        """Apply what came, and complete it from the other sources."""
        await self._apply([record for piece in pieces for record in piece.records])
        leaves = [leaf for piece in pieces for leaf in split(piece.span, len(piece.records) // LEAF + 1)]
        reasons: dict[str, str] = {}
        for url, source in self._sources.others.items():
            try:
                for start in range(0, len(leaves), LEAVES):
                    await self._complete(source, leaves[start : start + LEAVES])
            except StaleEpochError:
                raise
            except LimeDBError as error:
                reasons[url] = str(error)
        if 1 + len(self._sources.others) - len(reasons) < self._sources.needed:
            raise UnavailableError("; ".join(f"{url}: {reason}" for url, reason in reasons.items()))
        for piece in pieces:
            self._on_done(piece.span, len(piece.records))

    async def _complete(self, source: Replica, leaves: Sequence[Span]) -> None:
        """Get what another source has and the own store lacks."""
        theirs = await source.digests(leaves, 0, self._fence, self._deadline())
        own = await self._own.digests(leaves, 0, self._fence, self._deadline())
        differing = [leaf for leaf, a, b in zip(leaves, theirs, own, strict=True) if a != b]
        for start in range(0, len(differing), DIFFERING):
            spans = differing[start : start + DIFFERING]
            keys = newer(
                await source.entries(spans, self._fence, self._deadline()),
                await self._own.entries(spans, self._fence, self._deadline()),
            )
            for i in range(0, len(keys), READ):
                found = await self._read(source, keys[i : i + READ])
                await self._apply([record for record in found if isinstance(record, Record)])
                check_whole(found)

    async def _read(self, source: Replica, keys: Sequence[str]) -> list[Held]:
        """Read keys, by halves where their values are too large for one answer."""
        try:
            return await source.read(keys, self._fence, self._deadline())
        except ResponseTooLargeError:
            if len(keys) == 1:
                raise
            half = len(keys) // 2
            return [*await self._read(source, keys[:half]), *await self._read(source, keys[half:])]

    async def _apply(self, records: Sequence[Record]) -> None:
        if records:
            await self._own.apply(records, self._fence, self._deadline(), copied=True)

    def _deadline(self) -> float:
        return self._clock.monotonic() + CALL_SECONDS


def newer(theirs: Iterable[IndexEntry], own: Iterable[IndexEntry]) -> list[str]:
    """The keys of which the others' record may be the one that stands."""
    known = {entry.key: entry for entry in own}

    def may_stand(entry: IndexEntry) -> bool:
        mine = known.get(entry.key)
        if mine is None or entry.version > mine.version:
            return True
        return entry.version == mine.version and entry.checksum != mine.checksum

    return [entry.key for entry in theirs if may_stand(entry)]


def split(span: Span, parts: int) -> list[Span]:
    """A span in parts of about equal size, as many as its tokens allow."""
    parts = min(parts, span.size)
    firsts = [span.first + span.size * i // parts for i in range(parts)]
    lasts = [first - 1 for first in firsts[1:]]
    return [Span(first, last) for first, last in zip(firsts, [*lasts, span.last], strict=True)]


def _is_last(records: Sequence[Record]) -> bool:
    """Whether a page ends its span. One that is short may have been cut for its size."""
    return len(records) < PAGE and _bytes_of(records) < SMALL


def _is_little(records: Sequence[Record]) -> bool:
    return len(records) < PAGE // MOST_AHEAD and _bytes_of(records) < LITTLE


def _bytes_of(records: Sequence[Record]) -> int:
    return sum(value_size(r.value) for r in records if r.value is not None)


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
