"""A node as the client sees it: how it is reached, whether it is up, and when waiting calls are sent to it.

It owns the channel, the sessions on it, and how long calls wait for others to share their batch. It must
never retry a batch: the executor does that, mostly at another node.

Tested in tests/client/test_failures.py and tests/client/test_routing.py.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import grpc

from limedb.aio.retrying import Budget, Pauses
from limedb.client.asked_cluster import AskedCluster
from limedb.client.batches import Batch, Reads, Writes
from limedb.client.denials import denial_of
from limedb.client.outcomes import NoAnswer, Outcome
from limedb.client.stream import Stream
from limedb.client.waiting_calls import WaitingCalls
from limedb.core.round_trips import RoundTrips
from limedb.errors import ConfigError, TokenFunctionError, UnauthenticatedError, WrongClusterError
from limedb.tls.dialling import open_aio_channel
from limedb.tls.target import Target
from limedb.wire.channels import CHANNEL_OPTIONS, CONNECT_MS
from limedb.wire.conditions import no_conditions
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, record_pb2

log = logging.getLogger(__name__)

FEW_CALLS = 12
"""The most reads, or writes, in batches of their own that may be unanswered on a session. Further ones wait
for an answer, so that all of them share one batch: a batch costs client and node more than its calls do.
"""
HOLD_SECONDS = 0.002
"""The longest time that calls wait for an answer, so that a slow one delays nothing else. Where answers
usually take longer, calls wait as long as these do, but no longer than:
"""
LONGEST_HOLD_SECONDS = 0.02
MAX_IN_FLIGHT = 48
"""With this many unanswered batches on a session, the client sends no more; a node stops reading soon after.
"""
PING_AFTER_SECONDS = 0.5
"""A node that owes an answer is pinged after this time without one."""
PING_SECONDS = 0.5
"""The time to answer a ping, for a node that has never needed longer."""
LONGEST_PING_SECONDS = 3.0
"""The time that any node has to answer a ping."""
PATIENT_PING_SECONDS = 10.0
"""The same for a patient client: sending calls elsewhere adds to the work of a busy cluster, and a new
attempt undoes what the nodes have agreed on for the previous one.
"""
PROBE_SECONDS = 5.0
"""How long a probe of a node that is down waits: a refusal comes at once, and a late answer counts too."""
REFUSED_SECONDS = 0.8 * CONNECT_MS / 1000
"""An address that fails to connect only after this time has not refused: it does not answer, which may pass.
"""
LOOK_SECONDS = 0.1
"""The time between two checks for silence."""
STALL_SECONDS = 0.2
"""Where a ping overruns its time by more than this, this process stood still itself."""
FIRST_PROBE_SECONDS = 0.05
"""The first pause, roughly, before a node that is down is probed again; pauses grow."""


class NodeConnection:
    """The node, or proxy, at a target, with some sessions. changed: called when is_up changes.

    is_up: it answered its last ping, and no session has broken since. url: the name in its answers; behind a
    proxy, that of any of several nodes. reason: why it is down; pings_failed: how many pings it left
    unanswered, or answered as a node of another cluster or one that doesn't know this client; pings_misled:
    the latter two; has_refused: soon after the client began, it refused, or nothing listened there; misled:
    it belongs to another cluster, so it gets no calls; denied: why it doesn't know this client. ping_seconds:
    the least time to answer a ping. takes_conditions: by its last ping, it judges the conditions of writes.
    """

    def __init__(
        self,
        target: Target,
        sessions: int,
        changed: Callable[[], None],
        budget: Budget,
        cluster: AskedCluster,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self.address, self.url, self.is_up, self.reason = target.address, "", False, "not reached yet"
        self.pings_failed, self.pings_misled, self.has_refused = 0, 0, False
        self.misled: WrongClusterError | None = None
        self.denied: UnauthenticatedError | None = None
        self.takes_conditions = False
        self._cluster = cluster
        self._budget, self._trips = budget, RoundTrips(ping_seconds, max(LONGEST_PING_SECONDS, ping_seconds))
        self._sessions, self._changed = sessions, changed
        self._loop = asyncio.get_running_loop()
        self._made = self._loop.time()
        self._target, self._shown = target, target.tls.read() if target.tls else None
        self._open_channel()
        self._streams: list[Stream] = []
        self._waiting = WaitingCalls(self._loop, self._flush_soon)
        self._flushing: asyncio.Handle | None = None
        self._hold: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._probing: asyncio.Task[None] | None = self._loop.create_task(self._probe())
        self._is_closed = False
        self.followed: set[grpc.aio.Call] = set()
        """The streams that are read elsewhere: they end with the connection."""

    def read(
        self, key: str, level: record_pb2.Consistency, timeout: float, kind: type[Reads] = Reads
    ) -> "asyncio.Future[Outcome]":
        """Read a key, together with the other reads of this turn of that kind; return its outcome."""
        return self._waiting.read(key, level, timeout, kind)

    def write(
        self, key: str, item: bytes, may_repeat: bool, level: record_pb2.Consistency, timeout: float
    ) -> "asyncio.Future[Outcome]":
        """Write, together with the other writes of this turn; return its outcome. A batch has each key once,
        so that each write has an outcome of its own. item: the bytes of a BatchWrite; may_repeat: it has an
        idempotency key.
        """
        return self._waiting.write(key, item, may_repeat, level, timeout)

    def write_alone(
        self, key: str, item: bytes, level: record_pb2.Consistency, timeout: float
    ) -> "asyncio.Future[Outcome]":
        """Send a write that depends on its key's current value; return its outcome. It travels alone, since
        others would have to wait for it, and it may have to be tried again.
        """
        alone = Writes(level, timeout)
        alone.add(key, item, True, self._loop.create_future())
        alone.depends = True
        self.send(alone)
        return alone.futures[0]

    def send(self, batch: Batch) -> None:
        """Send a batch that is complete."""
        self._waiting.add(batch)

    async def ping(self, timeout: float) -> bool:
        """Return whether it answers that it takes requests of this cluster; update url and reason. timeout:
        seconds.
        """
        began = self._loop.time()
        try:
            state = await self._stub.GetState(cluster_pb2.GetStateRequest(), timeout=timeout)
        except TokenFunctionError as error:
            return self._not_asked(error)
        except grpc.aio.AioRpcError as error:
            self.reason = f"{error.code().name}: {error.details()}"
            self.denied = denial_of(self.address, error)
            self.pings_failed += 1
            self.pings_misled += self.denied is not None
            is_late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            self.has_refused = not is_late and self._loop.time() - self._made < REFUSED_SECONDS
            return False
        self._trips.measured(self._loop.time() - began)
        self.url, self.denied = state.node_url, None
        self.takes_conditions = state.takes_conditions
        if state.status != "active":
            self.reason = f"{state.node_url} is {state.status}: {state.problem or 'it takes no requests now'}"
            return False
        self.misled = self._cluster.misfit(state.node_url, state.cluster_id)
        if self.misled is not None:
            self.reason = str(self.misled)
            self.pings_failed += 1
            self.pings_misled += 1
        return self.misled is None

    def _not_asked(self, error: TokenFunctionError) -> bool:
        """False: no ping could be sent, since there is no token."""
        self.reason, self.denied = str(error), error
        self.pings_failed += 1
        self.pings_misled += 1
        return False

    def suspect(self, reason: str) -> None:
        """Regard it as down until it answers a ping, and fail the calls that wait to be sent."""
        if self._is_closed:
            return
        self.is_up, self.reason = False, reason
        self._fail_waiting(reason)
        if self._probing is None:
            self._probing = self._loop.create_task(self._probe())
        self._changed()

    async def close(self, reason: str = "the client is closed") -> None:
        """Close it, and fail all unanswered calls."""
        self._is_closed, self.is_up, self.reason = True, False, reason
        self._fail_waiting(reason)
        for handle in (self._flushing, self._hold, self._look):
            if handle is not None:
                handle.cancel()
        for call in self.followed:  # closing the channel leaves them waiting
            call.cancel()
        await asyncio.gather(*(stream.close(reason) for stream in self._streams))
        tasks = [*self._closing, *([self._probing] if self._probing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.channel.close()
        self._changed()

    @property
    def is_idle(self) -> bool:
        """Whether no call waits or is unanswered."""
        return not (self._waiting or any(stream.in_flight for stream in self._streams))

    # --- sending

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def _flush(self, held: bool = False) -> None:
        """Send the waiting calls, unless so many batches are under way that they should wait for more."""
        self._flushing = None
        try:
            self._flush_now(held)
        except TokenFunctionError as error:
            self.denied = error
            self.suspect(str(error))
        except Exception as error:  # the loop calls this: the waiting callers must learn of it
            log.exception("nothing can be sent to %s", self.address)
            self._fail_waiting(f"this client failed to send: {error!r}")

    def _flush_now(self, held: bool) -> None:
        if not self.is_up:
            self._fail_waiting(self.reason)
        elif self._send_waiting(held):
            if self._hold is not None:
                self._hold.cancel()
                self._hold = None
        elif self._hold is None:
            usual = max((stream.usual_seconds for stream in self._streams), default=0.0)
            hold = min(max(HOLD_SECONDS, usual), LONGEST_HOLD_SECONDS)
            self._hold = self._loop.call_later(hold, self._flush_held)
        if self._look is None and self._streams:
            self._look = self._loop.call_later(LOOK_SECONDS, self._watch)

    def _send_waiting(self, held: bool) -> bool:
        """Send waiting batches; return whether all were sent. held: they have waited long enough for others;
        full batches don't wait for more.
        """
        for batch in self._waiting.full(self._has_room):
            if isinstance(batch, Writes) and batch.depends and not self.takes_conditions:
                batch.resolve_all(no_conditions(self.url))
            else:
                self._stream().send(batch)
        for batch in self._waiting.others(self._has_room if held else self._may_go):
            self._stream().send(batch)
        return not self._waiting

    def _has_room(self, _batch: Batch) -> bool:
        return self._stream().in_flight < MAX_IN_FLIGHT

    def _may_go(self, batch: Batch) -> bool:
        """Whether a batch need not wait for an answer."""
        stream = self._stream()
        unanswered = stream.unanswered(batch.__class__)
        is_usual = not unanswered or unanswered + len(batch.keys) <= FEW_CALLS
        return is_usual and stream.in_flight < MAX_IN_FLIGHT

    def _flush_held(self) -> None:
        self._hold = None
        self._flush(held=True)

    def _answered(self) -> None:
        """Let the calls that an answer woke up join the waiting ones, then send them."""
        self._budget.earn()
        if self._waiting:
            self._flush_soon()

    def _stream(self) -> Stream:
        """Return the session with the fewest unanswered batches."""
        if len(self._streams) < self._sessions:
            stream = Stream(self.address, self.channel, self._cluster.metadata, self._stream_ended)
            stream.answered = self._answered
            self._streams.append(stream)
            return stream
        if self._sessions == 1:
            return self._streams[0]
        return min(self._streams, key=lambda stream: stream.in_flight)

    def _fail_waiting(self, reason: str) -> None:
        for batch in self._waiting.take_all():
            batch.resolve_all(NoAnswer(self.address, reason, begun=False))

    def _open_channel(self) -> None:
        self.channel = open_aio_channel(self._target, CHANNEL_OPTIONS, self._shown)
        self._stub = cluster_pb2_grpc.ClusterServiceStub(self.channel)

    async def _follow_files(self) -> None:
        """Open a new channel if the files of TLS have changed: one keeps what it began with. Sessions that
        wait for an outcome keep theirs.
        """
        if self._target.tls is None or self._streams:
            return
        with suppress(ConfigError):  # one is being replaced
            shown = self._target.tls.read()
            if shown != self._shown:
                old, self._shown = self.channel, shown
                self._open_channel()
                await old.close()

    # --- health

    def _stream_ended(self, stream: Stream, reason: str) -> None:
        if stream in self._streams:
            self._streams.remove(stream)
        self.suspect(reason)

    def _watch(self) -> None:
        """Check, while it owes answers, whether the node still sends any."""
        self._look = None
        silent = [s for s in self._streams if self._loop.time() - s.silent_since >= PING_AFTER_SECONDS]
        if silent and self._probing is None:
            self._probing = self._loop.create_task(self._check())
        elif any(stream.in_flight for stream in self._streams):
            self._look = self._loop.call_later(LOOK_SECONDS, self._watch)

    async def _check(self) -> None:
        """Ping it; if it gives no sign of life, let its callers go elsewhere, and probe it."""
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
        """Close the sessions, except those that owe an answer which only this node can give."""
        streams, self._streams = self._streams, []
        for stream in streams:
            if stream.shed(reason):
                self._streams.append(stream)
                continue
            task = self._loop.create_task(stream.close(reason))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _gives_sign(self) -> bool:
        """Return whether it answers a ping or anything else meanwhile, or this process stood still."""
        began, patience = self._loop.time(), self._trips.patience
        if await self.ping(patience):
            return True
        stalled = self._loop.time() - began > patience + STALL_SECONDS
        return stalled or any(stream.heard > began for stream in self._streams)

    async def _probe(self) -> None:
        """Ping it until it answers."""
        pauses = Pauses(FIRST_PROBE_SECONDS)
        while not await self.ping(PROBE_SECONDS):
            self._changed()
            await self._follow_files()
            await asyncio.sleep(pauses.pause())
        self._probing = None
        self.is_up, self.reason = True, ""
        self._changed()
