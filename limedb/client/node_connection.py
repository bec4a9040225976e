"""A node as the client sees it: how it is reached, whether it is up, and what waits to be sent to it.

It owns the channel, the sessions on it, and the batches that calls of one turn of the loop share. It must
never try a batch again: whoever asked does that, mostly elsewhere.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import grpc

from limedb.aio.retrying import Budget, Pauses
from limedb.client.batches import MAX_ITEMS, Batch, Reads, Writes
from limedb.client.outcomes import NoAnswer, Outcome
from limedb.client.stream import Stream
from limedb.core.round_trips import RoundTrips
from limedb.wire.channels import CHANNEL_OPTIONS, CONNECT_MS
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, record_pb2

log = logging.getLogger(__name__)

IN_FLIGHT = 3
"""Batches unanswered on a session from which on calls wait for company: batches grow as a node gets busy."""
HOLD_SECONDS = 0.002
"""The longest that a batch waits for company: what is slow holds nothing else up."""
MAX_IN_FLIGHT = 48
"""Batches unanswered on a session at which nothing more is sent; nodes read no further at some more."""
PATIENCE = 0.5
"""Seconds without an answer after which a node that owes one is pinged."""
PING_TIMEOUT = 0.5
"""Seconds in which a ping is to be answered, by a node that was never seen to need longer."""
LONGEST_PING = 3.0
"""Seconds in which any node is to answer one."""
PATIENT_PING = 10.0
"""The same for a patient client: what it sends elsewhere meanwhile is more work for a busy cluster, and a new
attempt undoes what nodes have agreed on for the one before.
"""
PROBE_TIMEOUT = 5.0
"""Seconds that a probe of a node that is down waits: a refusal comes at once, a late answer is one too."""
REFUSED_SECONDS = 0.8 * CONNECT_MS / 1000
"""An address that can't be connected to by then has not refused: it does not answer, which may pass."""
LOOK_SECONDS = 0.1
STALL_SECONDS = 0.2
"""A ping that ends later than that after its time ended in a process that stood still itself."""
FIRST_PROBE = 0.05
"""Seconds before a node that is down is probed again, about; they grow."""

Key = tuple[record_pb2.Consistency, float]


class NodeConnection:
    """The node, or proxy, at an address (host:port), with some sessions. changed: is told when is_up changes.

    is_up: it answered its last ping, and no session has broken since. url: whom it said to be; behind a proxy
    any of several. reason: why it is down; pings_failed: how often it did not answer; has_refused: nothing
    listens there, or it said so, soon after the client began. ping_seconds: for the answer to a ping, at
    least.
    """

    def __init__(
        self,
        address: str,
        sessions: int,
        changed: Callable[[], None],
        budget: Budget,
        ping_seconds: float = PING_TIMEOUT,
    ) -> None:
        self.address, self.url, self.is_up, self.reason = address, "", False, "not reached yet"
        self.pings_failed, self.has_refused = 0, False
        self._budget, self._trips = budget, RoundTrips(ping_seconds, max(LONGEST_PING, ping_seconds))
        self._sessions, self._changed = sessions, changed
        self._loop = asyncio.get_running_loop()
        self._made = self._loop.time()
        self.channel = grpc.aio.insecure_channel(address, CHANNEL_OPTIONS)
        self._stub = cluster_pb2_grpc.ClusterServiceStub(self.channel)
        self._streams: list[Stream] = []
        self._reads: dict[Key, Reads] = {}
        self._writes: dict[Key, Writes] = {}
        self._full: deque[Batch] = deque()
        self._flushing: asyncio.Handle | None = None
        self._hold: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._probing: asyncio.Task[None] | None = self._loop.create_task(self._probe())
        self._is_closed = False

    def read(self, key: str, level: record_pb2.Consistency, timeout: float) -> "asyncio.Future[Outcome]":
        """The outcome of reading a key, together with what else is read in this turn."""
        batch = self._reads.get((level, timeout))
        if batch is None:
            batch = self._reads[level, timeout] = Reads(level, timeout)
            self._flush_soon()
        future: asyncio.Future[Outcome] = self._loop.create_future()
        batch.keys.append(key)
        batch.futures.append(future)
        if len(batch.keys) >= MAX_ITEMS:
            self._full.append(self._reads.pop((level, timeout)))
        return future

    def write(
        self, write: kv_pb2.BatchWrite, level: record_pb2.Consistency, timeout: float
    ) -> "asyncio.Future[Outcome]":
        """The outcome of a write, together with what else is written in this turn: each key once a batch, so
        that each write has an outcome of its own.
        """
        batch = self._writes.get((level, timeout))
        if batch is not None and (batch.is_full or write.key in batch.known):
            self._full.append(batch)
            batch = None
        if batch is None:
            batch = self._writes[level, timeout] = Writes(level, timeout)
            self._flush_soon()
        future: asyncio.Future[Outcome] = self._loop.create_future()
        batch.add(write, future)
        return future

    def send(self, batch: Batch) -> None:
        """Send a batch that is made already."""
        self._full.append(batch)
        self._flush_soon()

    async def ping(self, timeout: float) -> bool:
        """Whether it answers that it takes requests; url and reason are as it says. timeout: seconds."""
        began = self._loop.time()
        try:
            state = await self._stub.GetState(cluster_pb2.GetStateRequest(), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            self.reason = f"{error.code().name}: {error.details()}"
            self.pings_failed += 1
            is_late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            self.has_refused = not is_late and self._loop.time() - self._made < REFUSED_SECONDS
            return False
        self._trips.measured(self._loop.time() - began)
        self.url = state.node_url
        if state.status != "active":
            self.reason = f"{state.node_url} is {state.status}: {state.problem or 'it takes no requests now'}"
        return state.status == "active"

    def suspect(self, reason: str) -> None:
        """Take it for down until it answers a ping; what waits to be sent fails."""
        if self._is_closed:
            return
        self.is_up, self.reason = False, reason
        self._fail_waiting(reason)
        if self._probing is None:
            self._probing = self._loop.create_task(self._probe())
        self._changed()

    async def close(self, reason: str = "the client is closed") -> None:
        """End all; what is unanswered fails."""
        self._is_closed, self.is_up, self.reason = True, False, reason
        self._fail_waiting(reason)
        for handle in (self._flushing, self._hold, self._look):
            if handle is not None:
                handle.cancel()
        await asyncio.gather(*(stream.close(reason) for stream in self._streams))
        tasks = [*self._closing, *([self._probing] if self._probing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.channel.close()
        self._changed()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits or is unanswered."""
        return not (self._reads or self._writes or self._full or any(s.in_flight for s in self._streams))

    # --- sending

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def _flush(self, held: bool = False) -> None:
        """Send what waits, unless enough is under way that it should wait for company."""
        self._flushing = None
        try:
            self._flush_now(held)
        except Exception as error:  # it is called by the loop: who waits must hear of it
            log.exception("nothing can be sent to %s", self.address)
            self._fail_waiting(f"this client failed to send: {error!r}")

    def _flush_now(self, held: bool) -> None:
        if not self.is_up:
            self._fail_waiting(self.reason)
        elif not self._send_waiting(MAX_IN_FLIGHT if held else IN_FLIGHT) and self._hold is None:
            self._hold = self._loop.call_later(HOLD_SECONDS, self._flush_held)
        if self._look is None and self._streams:
            self._look = self._loop.call_later(LOOK_SECONDS, self._watch)

    def _send_waiting(self, bound: int) -> bool:
        """Send what waits while sessions have fewer batches under way; whether all went. Full batches need no
        company.
        """
        while self._full:
            if (stream := self._stream()).in_flight >= MAX_IN_FLIGHT:
                return False
            stream.send(self._full.popleft())
        for waiting in (self._reads, self._writes):
            while waiting:
                if (stream := self._stream()).in_flight >= bound:
                    return False
                stream.send(waiting.popitem()[1])
        return True

    def _flush_held(self) -> None:
        self._hold = None
        self._flush(held=True)

    def _answered(self) -> None:
        """Calls that an answer woke up may add to what waits before it goes."""
        self._budget.earn()
        if self._reads or self._writes or self._full:
            self._flush_soon()

    def _stream(self) -> Stream:
        """The session that has the least to do."""
        if len(self._streams) < self._sessions:
            stream = Stream(self.address, self.channel, self._stream_ended)
            stream.answered = self._answered
            self._streams.append(stream)
            return stream
        if self._sessions == 1:
            return self._streams[0]
        return min(self._streams, key=lambda stream: stream.in_flight)

    def _fail_waiting(self, reason: str) -> None:
        batches = [*self._full, *self._reads.values(), *self._writes.values()]
        self._full.clear()
        self._reads.clear()
        self._writes.clear()
        for batch in batches:
            batch.tell_all(NoAnswer(self.address, reason, begun=False))

    # --- health

    def _stream_ended(self, stream: Stream, reason: str) -> None:
        if stream in self._streams:
            self._streams.remove(stream)
        self.suspect(reason)

    def _watch(self) -> None:
        """Look, while answers are owed, whether the node still gives any."""
        self._look = None
        silent = [s for s in self._streams if self._loop.time() - s.silent_since >= PATIENCE]
        if silent and self._probing is None:
            self._probing = self._loop.create_task(self._check())
        elif any(stream.in_flight for stream in self._streams):
            self._look = self._loop.call_later(LOOK_SECONDS, self._watch)

    async def _check(self) -> None:
        """Ping it; when it gives no sign of life, take what it owes elsewhere and probe it."""
        if not await self._gives_sign():
            reason = f"no answer to a ping: {self.reason}"
            self.suspect(reason)
            self._give_up(reason)
            await self._probe()
        for stream in self._streams:
            stream.heard = self._loop.time()
        self._probing = None
        self._look = self._look or self._loop.call_later(LOOK_SECONDS, self._watch)

    def _give_up(self, reason: str) -> None:
        """End the sessions, but for those that owe an answer which only this node can give."""
        streams, self._streams = self._streams, []
        for stream in streams:
            if stream.shed(reason):
                self._streams.append(stream)
                continue
            task = self._loop.create_task(stream.close(reason))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _gives_sign(self) -> bool:
        """Whether it answers a ping, or anything else meanwhile, or it is this process that stood still."""
        began, patience = self._loop.time(), self._trips.patience
        if await self.ping(patience):
            return True
        stalled = self._loop.time() - began > patience + STALL_SECONDS
        return stalled or any(stream.heard > began for stream in self._streams)

    async def _probe(self) -> None:
        """Ping it until it answers."""
        pauses = Pauses(FIRST_PROBE)
        while not await self.ping(PROBE_TIMEOUT):
            self._changed()
            await asyncio.sleep(pauses.pause())
        self._probing = None
        self.is_up, self.reason = True, ""
        self._changed()
