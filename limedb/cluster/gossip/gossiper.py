"""Gossip at work: the heartbeats, the choice of peers, and the exchange of SYN, ACK and ACK2.

It owns the rounds and the tasks that run them, and the questions to nodes known only by hearsay. It must
never merge or judge (`cluster/gossip/view.py` does), nor let a peer that hangs delay the own heartbeat.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random

from limedb.aio.running_time import TIMER_SLACK_SECONDS
from limedb.cluster.gossip.clock_lead import ClockLead
from limedb.cluster.gossip.clock_skew import ClockSkewMonitor
from limedb.cluster.gossip.hearsay import Check
from limedb.cluster.gossip.peer_selector import PeerPicker
from limedb.cluster.gossip.view import ClusterView
from limedb.core.detector import Status
from limedb.core.membership import Ack, Digest, NodeState
from limedb.core.problems import Problem
from limedb.errors import LimeDBError, UnauthenticatedError
from limedb.ports import Clock, GossipTransport

log = logging.getLogger(__name__)

_SECRETS_DIFFER = "all nodes need AUTH=required and the same secret in CLUSTER_SECRET_FILE, or certificates"
JITTER = 0.1
"""A part of the interval, either way, so that nodes which start together don't stay in step."""
MIN_TIMEOUT_SECONDS = 1.0
"""For an answer, if the interval is shorter."""
MAX_WAY_SECONDS = 3.0
"""The most that the way to a peer may add: the transport knows how far away it is."""
QUICK_SECONDS = 0.1
"""The time to the first retry, and between the extra rounds."""
EXTRA_ROUNDS = 3
"""After a new name: by their end twelve nodes have heard it."""
MAX_EXCHANGES = 8
"""Exchanges at a time; one with each peer."""
MAX_CHECKS = 8
"""Checks at a time, in addition."""


class Gossiper:
    """Sends heartbeats and gossips while `run` runs; answers peers at any time.

    view: the view that gossip changes. interval: seconds between rounds. seeds: URLs that are known from the
    start. rng: makes the choices. clocks, lead: take the peers' times. time_ms: the cluster's time on this
    node. A round starts exchanges and does not wait for them. A peer has max(interval, 1) seconds for its
    answer, plus the way there and back; the exchange ends 3 s later, whatever the transport does.
    """

    def __init__(
        self,
        view: ClusterView,
        transport: GossipTransport,
        clock: Clock,
        *,
        interval: float,
        seeds: Sequence[str],
        rng: Random,
        clocks: ClockSkewMonitor | None = None,
        lead: ClockLead | None = None,
        time_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._view, self._transport, self._clock = view, transport, clock
        self._clocks, self._lead, self._time_ms = clocks, lead, time_ms
        self._interval, self._rng = interval, rng
        self._quick = min(QUICK_SECONDS, interval)
        self._timeout = max(interval, MIN_TIMEOUT_SECONDS)
        self._seeds = tuple(url for url in dict.fromkeys(seeds) if url != view.own_url)
        self._picker = PeerPicker(rng, self._seeds)
        self._retry = self._quick  # the next pause while no peer has answered yet
        self._met = asyncio.Event()
        self._extra = 0
        self._news = asyncio.Event()
        self._running: set[str] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._checking: set[Check] = set()
        self._errors: dict[str, str] = {}
        self._strange_to: set[str] = set()
        self._statuses: dict[str, Status] = {}
        self._logged: dict[str, str] = {}  # the last word on each peer
        view.add(self._seeds)
        if not self._seeds:
            self._met.set()
        self._known, self._generation = len(view.urls), view.own.generation

    # --- the answering side

    def on_syn(self, digests: Iterable[Digest]) -> Ack:
        """The ACK to a peer's SYN."""
        ack = self._view.on_syn(digests)
        self._notice()
        return replace(ack, now_ms=self._clock.wall_ms(), time_ms=self._time_ms())

    def on_ack2(self, updates: Iterable[NodeState]) -> None:
        """Merge a peer's ACK2."""
        self._view.on_ack2(updates)
        self._notice()

    def nudge(self) -> None:
        """Spread a change of this node at once, with a heartbeat and quick rounds."""
        self._view.heartbeat()
        self._extra = EXTRA_ROUNDS
        self._news.set()

    def problems(self) -> Iterator[Problem]:
        """That peers take this node for a stranger."""
        if urls := sorted(self._strange_to):
            more = f" and {len(urls) - 1} more" if len(urls) > 1 else ""
            yield Problem(f"{urls[0]}{more} takes this node for a stranger: {_SECRETS_DIFFER}")

    async def wait_met(self, limit: float) -> bool:
        """Wait for a first peer, `limit` seconds at most. True: one has answered, or there are no seeds."""
        try:
            async with asyncio.timeout(limit):
                return await self._met.wait()
        except TimeoutError:
            return False

    # --- the asking side

    async def run(self) -> None:
        """Gossip until cancelled; then cancel and await all started tasks."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                while True:
                    await self._run_interval(self._tasks)
        finally:
            self._tasks = None

    async def _run_interval(self, tasks: asyncio.TaskGroup) -> None:
        """Run a heartbeat and its round, then quick rounds while they are needed, until the next heartbeat is
        due.
        """
        due = self._clock.monotonic() + self._interval * self._rng.uniform(1 - JITTER, 1 + JITTER)
        self._view.heartbeat()
        self._judge()
        self._start_round(tasks)
        self._start_checks()
        while (left := due - self._clock.monotonic()) > TIMER_SLACK_SECONDS:
            if await self._pause(left):
                self._start_round(tasks)

    async def _pause(self, left: float) -> bool:
        """Wait for the time of a quick round, at most `left` seconds; whether it came."""
        pause = self._next_pause()
        if pause < left:
            await asyncio.sleep(pause)
            return True
        try:
            async with asyncio.timeout(left):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        return False

    def _next_pause(self) -> float:
        """Seconds until a quick round: growing pauses until a peer has answered, a few short ones
        after news.
        """
        if not self._met.is_set() and self._retry < self._interval:
            self._retry *= 2
            return self._retry / 2
        if self._extra > 0:
            self._extra -= 1
            return self._quick
        return self._interval * 2

    def _start_round(self, tasks: asyncio.TaskGroup) -> None:
        for url in self._choose():
            if len(self._running) < MAX_EXCHANGES:
                self._running.add(url)
                tasks.create_task(self._exchange(url), name=f"gossip with {url}")

    def _choose(self) -> list[str]:
        """The peers of a round (all seeds until one has answered), without those that still owe an answer."""
        if not self._met.is_set():
            free = [url for url in self._seeds if url not in self._running]
            return self._rng.sample(free, len(free))
        free = [url for url in self._view.peers() if url not in self._running]
        dead = [url for url in free if self._statuses.get(url) is Status.DEAD]
        living = set(free).difference(dead)
        return sorted(self._picker.pick(living, dead) - self._running)

    async def _exchange(self, url: str) -> None:
        """Run one exchange with a peer, and note its failure, whatever it is."""
        try:
            async with asyncio.timeout(self._timeout + MAX_WAY_SECONDS):
                await self._talk(url)
            self._note(url, "")
            self._strange_to.discard(url)
        except (LimeDBError, TimeoutError) as error:
            is_new = self._note(
                url, str(error) or f"no answer within {self._timeout + MAX_WAY_SECONDS:.3g} s"
            )
            is_strange = isinstance(error, LimeDBError) and error.reason == UnauthenticatedError.reason
            (self._strange_to.add if is_strange else self._strange_to.discard)(url)
            if is_new and is_strange:
                log.warning("%s takes this node for a stranger: %s", url, _SECRETS_DIFFER)
        except Exception as error:
            if self._note(url, repr(error)):
                log.exception("gossip with %s failed", url)
        finally:
            self._running.discard(url)

    async def _talk(self, url: str) -> None:
        sent = self._clock.elapsed()
        address = self._view.address(url)
        ack = await self._syn(url, address)
        if ack.name in ("", url):
            self._measure(url, ack, self._clock.elapsed() - sent)
        updates = self._view.on_ack(ack, url, address)
        self._notice()
        if updates and self._tasks is not None:  # without waiting for it: the way may be long
            self._tasks.create_task(self._close(url, updates), name=f"ACK2 to {url}")

    async def _syn(self, url: str, address: str) -> Ack:
        """Send a SYN over the link. A name that nobody has answered to may be an alias: a link in trouble
        asks for the node of that name alone, and would never find the one that is there. So the name is
        dialled again.
        """
        dials = self._errors.get(url) and not self._view.state(url).generation
        digests = self._view.digests(url)
        if dials:
            return await self._transport.dial(url, address, digests, self._timeout)
        return await self._transport.syn(url, digests, self._timeout)

    async def _close(self, url: str, updates: tuple[NodeState, ...]) -> None:
        with suppress(LimeDBError, TimeoutError):
            async with asyncio.timeout(self._timeout + MAX_WAY_SECONDS):
                await self._transport.ack2(url, updates, self._timeout)

    # --- the questions to nodes known by hearsay

    def _start_checks(self) -> None:
        """Ask the nodes known by hearsay, some at a time."""
        while self._tasks is not None and len(self._checking) < MAX_CHECKS:
            if (check := self._view.next_check()) is None:
                return
            self._checking.add(check)
            self._tasks.create_task(self._check(check), name=f"who is {check.url}")

    async def _check(self, check: Check) -> None:
        """Ask a node for its identity: at its believed address, then at the reported one."""
        try:
            if check.address:
                await self._dial(check.url, check.address)
            else:
                await self._exchange(check.url)
                await self._try_hint(check.url)
        finally:
            self._view.checked(check)
            self._checking.discard(check)
        self._start_checks()

    async def _try_hint(self, url: str) -> None:
        hint = "" if self._view.is_sure(url) else self._view.hint(url)
        if hint and not await self._dial(url, hint):
            self._view.hint_failed(url)

    async def _dial(self, url: str, address: str) -> bool:
        """Ask which node is at an address; whether it is the expected one."""
        try:
            async with asyncio.timeout(self._timeout + MAX_WAY_SECONDS):
                ack = await self._transport.dial(url, address, self._view.digests(url), self._timeout)
            self._view.on_ack(ack, url, address)
        except (LimeDBError, TimeoutError) as error:
            log.debug("%s is not at %s: %s", url, address, error)
        except Exception:
            log.exception("asking which node is at %s failed", address)
        self._notice()
        return self._view.is_sure(url)

    def _measure(self, url: str, ack: Ack, round_trip: float) -> None:
        """Pass on a peer's times."""
        if self._clocks is not None:
            self._clocks.measured(url, ack.now_ms, round_trip)
        if self._lead is not None:
            self._lead.measured(url, ack.time_ms, round_trip)

    # --- the effects

    def _notice(self) -> None:
        """React to a message: a peer has answered; new names are worth extra rounds."""
        self._met.set()
        known, generation = len(self._view.urls), self._view.own.generation
        if known > self._known:
            self._extra = EXTRA_ROUNDS
            self._news.set()
        if generation > self._generation:
            log.warning(
                "gossip knew a newer %s: was the clock set back, or do two nodes use this URL?",
                self._view.own_url,
            )
        self._known, self._generation = known, generation
        self._start_checks()

    def _note(self, url: str, error: str) -> bool:
        """Log a change in how a peer answers; whether there was one."""
        if self._errors.get(url, "") == error:
            return False
        self._errors[url] = error
        log.debug("gossip with %s: %s", url, error or "it answers again")
        return True

    def _judge(self) -> None:
        """Take the peers' statuses, valid for this interval, and log those that changed."""
        statuses, words = self._view.judge(), dict[str, str]()
        for url, status in statuses.items():
            is_heard = self._view.state(url).generation > 0
            word = status.value if is_heard or status is not Status.ACTIVE else "known by its name only"
            if self._logged.get(url) != word:
                log.info("node %s is %s", url, word)
            words[url] = word
        self._statuses, self._logged = statuses, words
