"""The limits of each client at a node: requests a second, streams, watches, scans, bytes.

It owns these limits, the counts of refusals, and their log lines. It must never wait, and never limit another
node. With the defaults a unary call passes none of this: rates are off (`for_requests` is then None), and the
others count streams and large messages only.

Each limit counts for a client's identity (its user, or its address where nobody is signed in) and, TOGETHER
times as high, for all users of its address. Refusals are counted by limit and by these kinds, never by name,
so that nobody makes metrics grow.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple

from limedb.core.client_counts import ClientCounts
from limedb.core.problems import Problem
from limedb.core.rights import Identity
from limedb.core.token_bucket import TokenBucket
from limedb.errors import LimitExceededError, OverloadedError
from limedb.ports import Clock
from limedb.rpc.server.clients import Client, Clients, Context
from limedb.rpc.server.gate import NODE
from limedbpb.v1 import kv_pb2

log = logging.getLogger(__name__)

TOGETHER = 4
"""How many times a user's limit all users of one address may have together."""
MOST_BUCKETS = 10_000
"""Clients whose rate is remembered; beyond that, the least recently used ones are forgotten."""
LOG_SECONDS = 10.0
"""The time between two log lines about the same limit."""
SHOWN_SECONDS = 10.0
"""How long status and health show that a limit refused something."""
KINDS = ("identity", "address")
"""The kinds of names that are counted, by their place among a client's names."""
NODE_KIND = "node"
"""The kind of a limit of the whole node."""

WATCH, SCAN, CLUSTER_WATCH = "KVService/Watch", "KVService/Scan", "ClusterService/WatchCluster"
FREE = frozenset({"ClusterService/GetState", "ClusterService/GetHealth", "KVService/Session"})
"""Calls that no rate counts: with the first two, clients see whether a node lives, and probes whether it
serves; in a session each request counts.
"""
BATCHES = frozenset({"KVService/BatchGet", "KVService/BatchSet"})
"""Calls that count as several requests."""

Serve = Callable[[Any, Any], Awaitable[Any]]


class LimitSettings(NamedTuple):
    """Limits of one client; `cluster_watches` of the whole node. rate: requests a second; 0: any number.
    burst: requests at once. size: bytes.
    """

    rate: int = 0
    burst: int = 0
    streams: int = 4096
    watches: int = 2000
    scans: int = 1024
    size: int = 1 << 40
    cluster_watches: int = 1024


class Taken:
    """The counts of a stream, until it is released. A second release changes nothing."""

    __slots__ = ("_counts", "_limits", "_names")

    def __init__(self, limits: "Limits", names: tuple[str, ...], counts: list[ClientCounts]) -> None:
        self._limits, self._names, self._counts = limits, names, counts

    def release(self) -> None:
        """Stop counting the stream."""
        counts, self._counts = self._counts, []
        for each in counts:
            each.give(self._names if len(each.most) > 1 else (NODE_KIND,), 1)


class Limits:
    """The limits of a node. is_node: whether a caller proves by its certificate to be another node."""

    def __init__(
        self,
        settings: LimitSettings,
        clock: Clock,
        clients: Clients | None = None,
        is_node: Callable[[Any], bool] = lambda _context: False,
    ) -> None:
        self._settings, self._clock, self._is_node = settings, clock, is_node
        self.clients = clients or Clients()
        self.refused: Counter[tuple[str, str]] = Counter()
        """Refusals since the start, by limit and kind."""
        self._rates = Rates(settings, self) if settings.rate else None
        self._streams = _counts(settings.streams)
        self._of_method = {
            WATCH: ("CLIENT_WATCHES", "watches", _counts(settings.watches)),
            SCAN: ("CLIENT_SCANS", "scans", _counts(settings.scans)),
        }
        self._cluster_watches = ClientCounts((settings.cluster_watches,))
        self._bytes = _counts(settings.size, lone=True)
        self._log_at: dict[str, float] = {}
        self._unlogged: Counter[str] = Counter()
        self._refused_at: dict[str, float] = {}

    def now(self) -> float:
        """Seconds of a monotonic clock."""
        return self._clock.monotonic()

    @property
    def for_requests(self) -> "Rates | None":
        """The limit on requests a second; None: there is none."""
        return self._rates

    def is_exempt(self, context: Context, caller: Identity | None) -> bool:
        """Whether a caller is another node."""
        return caller is NODE or self._is_node(context)

    def stream(self, method: str, context: Context, caller: Identity | None) -> Taken:
        """Count a stream. LimitExceededError: its client has too many; OverloadedError: the node has."""
        if self.is_exempt(context, caller):
            return Taken(self, (), [])
        of = self.clients.of(context)
        wanted = [("CLIENT_STREAMS", "streams", self._streams)]
        if method in self._of_method:
            wanted.append(self._of_method[method])
        taken = Taken(self, of.keys, counts := [])
        try:
            for setting, what, each in wanted:
                if (place := each.take(of.keys, 1)) is not None:
                    raise self.refusal(setting, of, place, each.most[place], f"{what} at a time")
                counts.append(each)
            if method == CLUSTER_WATCH:
                self._take_cluster_watch()
                counts.append(self._cluster_watches)
        except BaseException:
            taken.release()
            raise
        return taken

    def _take_cluster_watch(self) -> None:
        most = self._settings.cluster_watches
        if self._cluster_watches.take((NODE_KIND,), 1) is not None:
            error = OverloadedError("watches of the cluster", 1, most, most, "streams")
            self._note("MAX_CLUSTER_WATCHES", NODE_KIND, str(error))
            raise error

    # --- bytes in flight: for the shares of the memory

    def take_bytes(self, holder: str, amount: int) -> bool:
        """Count bytes for a client; False: it has too many."""
        return not isinstance(holder, Client) or self._bytes.take(holder.keys, amount) is None

    def force_bytes(self, holder: str, amount: int) -> None:
        """Count bytes that are already there."""
        if isinstance(holder, Client):
            self._bytes.force(holder.keys, amount)

    def give_bytes(self, holder: str, amount: int) -> None:
        """Stop counting bytes."""
        if isinstance(holder, Client):
            self._bytes.give(holder.keys, amount)

    def bytes_refusal(self, holder: str, amount: int) -> LimitExceededError | None:
        """The error of a client that has too many bytes to get this many more; None: it hasn't."""
        if not isinstance(holder, Client) or (place := self._bytes.full(holder.keys, amount)) is None:
            return None
        return self.refusal("CLIENT_BYTES", holder, place, self._bytes.most[place], "bytes at a time")

    # --- refusals

    def refusal(
        self, setting: str, of: Client, place: int, limit: int, what: str, seconds: float = 1.0
    ) -> LimitExceededError:
        """The error of a refusal, which is counted."""
        error = LimitExceededError(of.keys[place], setting, limit, what, seconds)
        self._note(setting, KINDS[place], str(error))
        return error

    def _note(self, setting: str, kind: str, text: str) -> None:
        self.refused[setting, kind] += 1
        now = self._clock.monotonic()
        self._refused_at[setting] = now
        self._unlogged[setting] += 1
        if now >= self._log_at.get(setting, now):
            log.warning("%d refused by a limit, lately: %s", self._unlogged.pop(setting), text)
            self._log_at[setting] = now + LOG_SECONDS

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Refusals since the start, by limit and kind."""
        return dict(self.refused)

    def problems(self) -> Iterator[Problem]:
        """The warning that limits refuse requests now. It names no client: anybody sees a node's health."""
        now = self._clock.monotonic()
        for setting, at in self._refused_at.items():
            if now - at < SHOWN_SECONDS:
                total = sum(count for (name, _), count in self.refused.items() if name == setting)
                yield Problem(
                    f"clients reach a limit ({setting}): {total} refused since the start, the last"
                    f" {now - at:.0f} s ago; the log names them. Slow them down, or raise {setting}"
                )


class Rates:
    """The requests a second of each client."""

    def __init__(self, settings: LimitSettings, limits: Limits) -> None:
        self._rate, self._burst = settings.rate, settings.burst or max(1, settings.rate)
        self._limits = limits
        self._buckets: dict[str, TokenBucket] = {}

    @property
    def remembered(self) -> int:
        """How many names have a bucket."""
        return len(self._buckets)

    def begin(self, context: Context, caller: Identity | None) -> None:
        """Count a request, unless a node makes it. LimitExceededError: its client has made too many."""
        if not self._limits.is_exempt(context, caller):
            self.take(self._limits.clients.of(context))

    def take(self, of: Client) -> None:
        """Count a request. LimitExceededError."""
        now = self._limits.now()
        for place, name in enumerate(of.keys):
            wait = self._bucket(name, place, now).take(now)
            if wait:
                raise self._limits.refusal(
                    "CLIENT_RATE", of, place, self._rate * _times(place), "requests a second", wait
                )

    def charge(self, of: Client, more: int) -> None:
        """Count more requests than the one that was admitted: a batch is as many as it has keys."""
        if more > 0:
            now = self._limits.now()
            for place, name in enumerate(of.keys):
                self._bucket(name, place, now).charge(more, now)

    def charged(self, method: Serve) -> Serve:
        """A method whose requests are batches, which were counted as one request each."""

        async def serve(request: Any, context: Any) -> Any:  # noqa: ANN401 (as the method)
            self.charge(self._limits.clients.of(context), items_of(request) - 1)
            return await method(request, context)

        return serve

    def session(self, context: Context, methods: Mapping[str, Serve]) -> dict[str, Serve]:
        """The methods of a session, whose requests are counted like calls."""
        of = self._limits.clients.of(context)

        def counted(method: Serve) -> Serve:
            async def serve(request: Any, turn: Any) -> Any:  # noqa: ANN401 (as the method)
                self.take(of)
                self.charge(of, items_of(request) - 1)
                return await method(request, turn)

            return serve

        return {name: counted(method) for name, method in methods.items()}

    def _bucket(self, name: str, place: int, now: float) -> TokenBucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= MOST_BUCKETS:
                self._forget(now)
            times = _times(place)
            bucket = self._buckets[name] = TokenBucket(self._rate * times, self._burst * times, now)
        return bucket

    def _forget(self, now: float) -> None:
        """Forget those that are as new; if that is less than a tenth, also the oldest ones."""
        for name in [name for name, bucket in self._buckets.items() if bucket.is_full(now)]:
            del self._buckets[name]
        for name in [*self._buckets][: len(self._buckets) - MOST_BUCKETS * 9 // 10]:
            del self._buckets[name]


def items_of(request: object) -> int:
    """How many requests a message counts as: a batch as its keys, or writes; a transaction as its parts."""
    if isinstance(request, kv_pb2.TxnRequest):
        return max(1, len(request.compare) + max(len(request.success), len(request.failure)))
    batch = getattr(request, "keys", None) or getattr(request, "writes", None)
    return len(batch) if batch else 1


def _times(place: int) -> int:
    return TOGETHER if place else 1


def _counts(most: int, lone: bool = False) -> ClientCounts:
    return ClientCounts([most * _times(place) for place in range(len(KINDS))], lone)
