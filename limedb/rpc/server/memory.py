"""The bytes that requests, answers and streams hold in a node, each kind within its share of MAX_MEMORY.

It owns the shares, the queues for room in them, and the texts of refusals. It must never look at a message. A
holder gives its bytes back at the end of a request, when an answer was written, or at the end of a stream,
however that came.

A holder is a client, as far as clients can be distinguished (`clients.py`): one that takes all it can get
leaves room for the others (`core/budget.py`). Its total in all shares is bounded, too (`limits.py`). Peers
have their own share, so that clients never stop replication.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from limedb.aio.low_priority import LowPriority
from limedb.core.budget import Budget
from limedb.core.problems import Problem
from limedb.errors import LimeDBError, OverloadedError, RemoteError, ResponseTooLargeError, is_too_large
from limedb.ports import Clock
from limedb.rpc.server.clients import Clients, Context

T = TypeVar("T")

SMALL_BYTES = 16 << 10
"""Requests and answers up to so many bytes aren't counted: the calls that `Calls` allows at a time hold at
most 660 MiB of either.
"""
COPIES = 5
"""How many times the bytes of a large request are in memory while it is processed: as received, as a message,
as records, and on their way to the disk and to two replicas.
"""
PEER_COPIES = 2
"""The same for a peer's request, which goes only to the disk."""
ANSWER_COPIES = 2
"""How many times the bytes of an answer are in memory while gRPC sends it."""
HEAVY_READS = 8
"""How many times the bytes of a batch of large values count while they are gathered: it also takes processor
time, which others wait for.
"""
ROOM_SECONDS = 5.0
"""How long a large request waits for room in memory."""
KEPT_PART = 0.5
"""The part of the free answers, streams and reads that one client may hold."""
MOST_WAITING = 1000
"""Requests that may wait for room in a share; one more is refused at once."""
FEW_READS = 4
"""Reads at a time that may be large without waiting for a turn."""
MOST_LOOKED_AT = 64
"""How many waiting clients are considered each time that bytes are given back."""
FEW_CALLS, MOST_CALLS = 2_000, 40_000
"""Calls at a time that aren't counted by client, and the most calls beyond these. gRPC accepts at most
50,000.
"""
FULL_SECONDS = 3.0
"""How long a share must refuse before it reports a problem."""
FORGET_SECONDS = 10.0
"""How long the problem lasts after the last refusal, so that it doesn't flap."""


class ByteCounts(Protocol):
    """Counts the bytes of each client in all shares together."""

    def take_bytes(self, holder: str, amount: int) -> bool:
        """Count bytes; False: the client has too many."""

    def force_bytes(self, holder: str, amount: int) -> None:
        """Count bytes that are already there."""

    def give_bytes(self, holder: str, amount: int) -> None:
        """Stop counting bytes."""

    def bytes_refusal(self, holder: str, amount: int) -> LimeDBError | None:
        """The error of a client that has too many bytes to get this many more; None: it hasn't."""


def room_seconds(context: Context) -> float:
    """How long a request waits for room: no longer than its client does."""
    seconds = context.time_remaining()
    return ROOM_SECONDS if seconds is None else min(seconds, ROOM_SECONDS)


class Held:
    """Bytes of a share that a holder has, until it releases them. A second release changes nothing."""

    __slots__ = ("_holder", "_share", "amount")

    def __init__(self, share: "Share", holder: str, amount: int) -> None:
        self._share, self._holder, self.amount = share, holder, amount

    def release(self, _done: object = None) -> None:
        """Give everything back."""
        amount, self.amount = self.amount, 0
        if amount:
            self._share.give(self._holder, amount)

    def resize(self, amount: int) -> None:
        """Hold that amount instead. OverloadedError: there is no room for it; the old amount stays held."""
        self._share.exchange(self._holder, self.amount, amount)
        self.amount = amount

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class _Waiting(NamedTuple):
    holder: str
    amount: int
    admitted: "asyncio.Future[None]"


class Share:
    """A share of MAX_MEMORY. name: its purpose. limit: in bytes, or in `unit`. part: the part of the free
    bytes that one holder may have. refused: how often there was no room. counts: of the bytes that a client
    has in several shares; None: they aren't counted.
    """

    def __init__(
        self,
        name: str,
        limit: int,
        clock: Clock,
        part: float = 1.0,
        unit: str = "bytes",
        counts: ByteCounts | None = None,
    ) -> None:
        self.name, self.unit, self.refused, self._counts = name, unit, 0, counts
        self._budget, self._clock = Budget(limit, part), clock
        self._waiting: dict[str, deque[_Waiting]] = {}  # by holder; each waits only for its own
        self._waits = 0
        self._full_since = self._refused_at = float("-inf")

    @property
    def held(self) -> int:
        """Bytes that are held."""
        return self._budget.held

    @property
    def limit(self) -> int:
        """Bytes that may be held."""
        return self._budget.limit

    def hold(self, holder: str, amount: int) -> Held:
        """Hold this many bytes, now. OverloadedError: there is no room for them."""
        self.take(holder, amount)
        return Held(self, holder, amount)

    def force(self, holder: str, amount: int) -> Held:
        """Hold them even if there is no room: they are already in memory, and can't be refused."""
        self._budget.force(holder, amount)
        if self._counts is not None:
            self._counts.force_bytes(holder, amount)
        return Held(self, holder, amount)

    def check(self, holder: str, amount: int) -> None:
        """Raise OverloadedError where `hold` would."""
        self.hold(holder, amount).release()

    def hold_now(self, holder: str, amount: int) -> Held | None:
        """Hold this many bytes, now; None: there is no room, or the holder is already waiting."""
        if holder not in self._waiting and self._take(holder, amount):
            return Held(self, holder, amount)
        return None

    async def wait(self, holder: str, amount: int, seconds: float) -> Held:
        """Hold this many bytes as soon as there is room; more than the whole share once almost nothing is
        held (`core/budget.py`). OverloadedError: there was no room within `seconds`, or too many requests
        wait.
        """
        if (held := self.hold_now(holder, amount)) is not None:
            return held
        if (
            len(self._waiting.get(holder, ())) + self._waits >= MOST_WAITING
        ):  # the holder with most is refused first
            raise self._refusal(holder, amount)
        await self._admitted(_Waiting(holder, amount, asyncio.get_running_loop().create_future()), seconds)
        return Held(self, holder, amount)

    async def _admitted(self, waiting: _Waiting, seconds: float) -> None:
        self._waiting.setdefault(waiting.holder, deque()).append(waiting)
        self._waits += 1
        try:
            async with asyncio.timeout(seconds):
                await waiting.admitted
        except BaseException as error:
            if waiting.admitted.done() and not waiting.admitted.cancelled():
                self.give(waiting.holder, waiting.amount)  # admitted in the same turn in which the wait ended
            else:
                self._leave(waiting)
            if isinstance(error, TimeoutError):
                raise self._refusal(waiting.holder, waiting.amount) from None
            raise

    def take(self, holder: str, amount: int) -> None:
        """As `hold`, for a holder that adds the amount to its `Held`."""
        if not self._take(holder, amount):
            raise self._refusal(holder, amount)

    def _take(self, holder: str, amount: int) -> bool:
        """Hold this many bytes; False: the share has no room for them, or the client has too many in all."""
        if self._counts is not None and not self._counts.take_bytes(holder, amount):
            return False
        if self._budget.take(holder, amount):
            return True
        if self._counts is not None:
            self._counts.give_bytes(holder, amount)
        return False

    def _give(self, holder: str, amount: int) -> None:
        self._budget.give(holder, amount)
        if self._counts is not None:
            self._counts.give_bytes(holder, amount)

    def exchange(self, holder: str, before: int, amount: int) -> None:
        """Hold an amount instead of another. OverloadedError: there is no room for it."""
        self._give(holder, before)
        if not self._take(holder, amount):
            error = self._refusal(holder, amount)
            self.force(holder, before)
            raise error
        if self._waiting and amount < before:
            self._admit()

    def give(self, holder: str, amount: int) -> None:
        """Give this many bytes back, and admit waiting requests."""
        self._give(holder, amount)
        if self._waiting:
            self._admit()

    def _admit(self) -> None:
        """Admit requests that have room now: the holders in turn, each holder's requests in order."""
        for holder in [*islice(self._waiting, MOST_LOOKED_AT)]:
            queue = self._waiting.pop(holder)
            while queue and (queue[0].admitted.done() or self._take(queue[0].holder, queue[0].amount)):
                waiting = queue.popleft()
                self._waits -= 1
                if not waiting.admitted.done():
                    waiting.admitted.set_result(None)
            if queue:
                self._waiting[holder] = queue  # after the others

    def _leave(self, waiting: _Waiting) -> None:
        queue = self._waiting.get(waiting.holder)
        if queue is None or waiting not in queue:
            return
        queue.remove(waiting)
        self._waits -= 1
        if not queue:
            del self._waiting[waiting.holder]

    def _refusal(self, holder: str, amount: int) -> LimeDBError:
        if self._counts is not None and (error := self._counts.bytes_refusal(holder, amount)) is not None:
            return error
        now = self._clock.monotonic()
        if now - self._refused_at > FULL_SECONDS:
            self._full_since = now
        self._refused_at, self.refused = now, self.refused + 1
        return OverloadedError(self.name, amount, self.held, self.limit, self.unit)

    def problems(self) -> Iterator[Problem]:
        """The problem of a share that has refused for a while."""
        now = self._clock.monotonic()
        if now - self._refused_at < FORGET_SECONDS and self._refused_at - self._full_since >= FULL_SECONDS:
            holder, most = self._budget.most()
            yield Problem(
                f"requests have been refused for {now - self._full_since:.0f} s, since the memory for"
                f" {self.name} is full: {self.held} of {self.limit} {self.unit} are held by"
                f" {self._budget.holders} clients"
                + (f", {most} of them by {holder}" if holder else "")
                + "; end the client that does not read or sends too much, or raise MAX_MEMORY"
            )


class Calls:
    """The clients' concurrent calls, until their answers are sent: a call whose answer isn't read stays, too.
    most: at a time.

    A few calls aren't counted by client. Of the calls beyond these, each client has its part, so that one
    client can't take all calls that gRPC serves at a time.
    """

    def __init__(self, clock: Clock, clients: Clients, most: int = FEW_CALLS + MOST_CALLS) -> None:
        self._clients, self._free = clients, min(FEW_CALLS, most // 2)
        self._few, self.counted = 0, Share("calls", most - self._free, clock, KEPT_PART, "calls")

    @property
    def running(self) -> int:
        """How many calls there are."""
        return self._few + self.counted.held

    def begin(self, context: Context, task: "asyncio.Task[object]") -> None:
        """Count a call until its task is done. OverloadedError: its client has too many."""
        if self._few < self._free:
            self._few += 1
            task.add_done_callback(self._end)
        else:
            task.add_done_callback(self.counted.hold(self._clients.of(context), 1).release)

    def _end(self, _task: object) -> None:
        self._few -= 1


class Memory:
    """The shares of a node. size: MAX_MEMORY, in bytes. clients: finds the client of a call. counts: of the
    bytes of each client. most_calls: of clients, at a time.

    requests: of clients, while they are processed. arrivals: large requests that wait for that. answers:
    those that clients have not taken. reads: data being gathered from replicas. streams: scans, watches and
    sessions. peers, peer_arrivals: everything that other nodes send and ask, and their waiting requests.
    """

    def __init__(
        self,
        size: int,
        clock: Clock,
        clients: Clients | None = None,
        counts: ByteCounts | None = None,
        most_calls: int = FEW_CALLS + MOST_CALLS,
    ) -> None:
        self.clock, part = clock, size // 16
        self.clients = clients or Clients()
        self.requests = Share("requests", 4 * part, clock, counts=counts)
        self.arrivals = Share("requests that wait", part, clock, counts=counts)
        self.answers = Share("answers", 2 * part, clock, KEPT_PART, counts=counts)
        self.reads = Share("reads", 2 * part, clock, KEPT_PART, counts=counts)
        self.streams = Share("streams", 3 * part, clock, KEPT_PART, counts=counts)
        self.peers = Share("peers", 3 * part, clock)
        self.calls = Calls(clock, self.clients, most_calls)
        self.peer_arrivals = Share("peers that wait", part, clock)
        self._large_reads, self._few_reads = LowPriority(clock.monotonic), 0

    @property
    def shares(self) -> tuple[Share, ...]:
        """All shares."""
        clients = (self.requests, self.arrivals, self.answers, self.reads, self.streams)
        return (*clients, self.peers, self.peer_arrivals)

    def problems(self) -> Iterator[Problem]:
        """The problems of all shares."""
        for share in self.shares:
            yield from share.problems()
        yield from self.calls.counted.problems()

    async def reading(self, context: Context, amount: int, read: "Callable[[int | None], Awaitable[T]]") -> T:
        """The result of a read, within room for all that it may gather (bytes). If there is no room at once,
        or a few reads are under way, it first tries to read a small answer, which isn't counted: otherwise
        floods of large answers would deny small ones to others. Only reads that turn out to be large wait,
        and then take turns with all other work: otherwise many waiting ones could occupy the loop for
        seconds.

        read: gets the most bytes that a replica may answer; None: as many as the replica allows.
        OverloadedError: the answer is large, and there was no room soon enough, or there is none for it.
        """
        holder = self.clients.of(context)
        if self._few_reads < FEW_READS and (held := self.reads.hold_now(holder, amount)) is not None:
            self._few_reads += 1
            try:
                return await read(None)
            finally:
                self._few_reads -= 1
                held.release()
        try:
            return await read(SMALL_BYTES)
        except (ResponseTooLargeError, RemoteError) as error:
            if not is_too_large(error):
                raise
        with await self.reads.wait(holder, amount, room_seconds(context)):
            self.answers.check(holder, SMALL_BYTES)  # otherwise it would read in vain
            return await self._large_reads.run(lambda: read(None))

    async def paging(self, context: Context, amount: int, read: "Callable[[], Awaitable[T]]") -> T:
        """The result of reading a page, within room for all that it may gather (bytes). Pages that had to
        wait take turns with all other work. OverloadedError: no room soon enough.
        """
        holder = self.clients.of(context)
        if (held := self.reads.hold_now(holder, amount)) is not None:
            with held:
                return await read()
        with await self.reads.wait(holder, amount, ROOM_SECONDS):
            return await self._large_reads.run(read)
