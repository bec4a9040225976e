"""The reported changes of one selection of keys, and the subscribers that read them.

It owns the order of the reported changes, and how many are kept. Each change is kept once for all readers: a
subscriber is a place in the channel. It must never wait for a subscriber: one that falls behind finds a gap.

Tested in tests/replication/watch/test_feed.py.
"""

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence

from limedb.aio.turns import Turns, Waiter
from limedb.core.record import Record, value_size
from limedb.core.selection import WatchFilter
from limedb.errors import LimeDBError

PIECE_BYTES = 32 << 10
"""Bytes of keys and values that a piece holds, unless one change alone has more."""
TAKE_BYTES = 64 << 10
"""Bytes that a subscriber takes at once, but at least one piece: this much may wait for each subscriber that
doesn't read.
"""
OVERHEAD = 300


class Piece:
    """Some changes, as they were reported.

    at: the feed's count before they were. resume: the version to resume after, before they were. newest_ms:
    the feed's latest time when they were. echo_of: where the change was reported before; it is for
    subscribers that began after that. None: it is for all. encoded: the message that a server makes of it,
    once for all; empty: not yet.
    """

    __slots__ = ("at", "echo_of", "encoded", "newest_ms", "records", "resume", "size")

    def __init__(
        self, records: list[Record], at: int, resume: int, newest_ms: int, echo_of: int | None = None
    ) -> None:
        self.records, self.at, self.echo_of = records, at, echo_of
        self.resume, self.newest_ms = resume, newest_ms
        self.size = sum(map(_size, records))
        self.encoded = b""


class Channel:
    """The changes of one selection.

    max_bytes: how much is kept. turns: of the subscribers that wait. reach_ms: all changes after that time
    are there. begun_at: the feed's count when the channel began. error: why it was closed before its feed.
    subscribers: how many.
    """

    def __init__(
        self, what: WatchFilter, max_bytes: Callable[[], int], turns: Turns, reach_ms: int, begun_at: int
    ) -> None:
        self.what, self._max_bytes, self._turns = what, max_bytes, turns
        self.reach_ms, self.begun_at = reach_ms, begun_at
        self._pieces: deque[Piece] = deque()
        self._first, self._bytes = 0, 0
        self._is_whole = True
        self._waiting: set[Waiter] = set()
        self.subscribers = 0
        self.error: LimeDBError | None = None

    @property
    def end(self) -> int:
        """The number behind the last piece."""
        return self._first + len(self._pieces)

    def add(self, records: Sequence[Record], at: int, resume: int, newest_ms: int) -> None:
        """Keep changes that are for all."""
        part: list[Record] = []
        size = 0
        for record in records:
            more = _size(record)
            if part and size + more > PIECE_BYTES:
                self._keep(Piece(part, at, resume, newest_ms))
                part, size = [], 0
            part.append(record)
            size += more
        if part:
            self._keep(Piece(part, at, resume, newest_ms))

    def echo(self, record: Record, at: int, resume: int, newest_ms: int, echo_of: int) -> None:
        """Keep a change for those that began after its first report."""
        self._keep(Piece([record], at, resume, newest_ms, echo_of))

    def _keep(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self._bytes += piece.size
        self._forget_surplus()
        self.wake()

    def _forget_surplus(self) -> None:
        limit = self._max_bytes()
        while self._bytes > limit and len(self._pieces) > 1:
            first = self._pieces.popleft()
            self._bytes -= first.size
            self._first += 1
            self.reach_ms, self._is_whole = first.newest_ms, False

    def fill(self, other: "Channel") -> None:
        """Copy the changes of another channel, of all keys, from before this one began, if they are
        complete.
        """
        if not self._is_whole or other.reach_ms >= self.reach_ms:
            return
        before: list[Piece] = []
        for piece in other._pieces:
            records = [record for record in piece.records if self.what.holds(record.key)]
            if records and piece.at < self.begun_at:
                before.append(Piece(records, piece.at, piece.resume, piece.newest_ms, piece.echo_of))
        self._pieces.extendleft(reversed(before))
        self._bytes += sum(piece.size for piece in before)
        self._first -= len(before)
        self.reach_ms, self.begun_at = other.reach_ms, other.begun_at
        self._forget_surplus()

    def find(self, newest_ms: int) -> int | None:
        """The first piece that was reported when the latest time was newest_ms or later. None: such pieces
        may be missing.
        """
        if self.reach_ms >= newest_ms:
            return None
        return self._first + bisect_left(self._pieces, newest_ms, key=lambda piece: piece.newest_ms)

    def holds(self, at: int) -> bool:
        """Whether nothing from a number on is forgotten."""
        return at >= self._first

    def take(self, at: int, since: int) -> tuple[list[Piece], int]:
        """Some pieces from a number on, and the number behind them. since: the feed's count when the
        subscriber began.
        """
        taken: list[Piece] = []
        size = 0
        while at < self.end and size < TAKE_BYTES:
            piece = self._pieces[at - self._first]
            if taken and size + piece.size > TAKE_BYTES:
                break
            at += 1
            if piece.echo_of is None or piece.echo_of < since:
                taken.append(piece)
                size += piece.size
        return taken, at

    def piece(self, at: int) -> Piece:
        """A piece by its number."""
        return self._pieces[at - self._first]

    async def wait(self, due: float) -> None:
        """Return, in a turn of the caller's own, when something is added, the feed is closed, or the time is
        due (seconds of the loop's clock).
        """
        loop = asyncio.get_running_loop()
        waiter: Waiter = loop.create_future()
        timer = loop.call_at(due, self._turns.give, waiter)
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiting.discard(waiter)

    def wake(self) -> None:
        """Give all that wait a turn."""
        self._turns.give(*self._waiting)
        self._waiting.clear()


def _size(record: Record) -> int:
    return value_size(record.key) + (0 if record.value is None else value_size(record.value)) + OVERHEAD
