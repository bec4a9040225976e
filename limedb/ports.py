"""The seams: the services that orchestration needs from the outside, as Protocol classes.

It owns the interfaces between the layers. It must never contain code that does anything. Times called
`deadline` are seconds of `Clock.monotonic`.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from limedb.core.damage import Damage
from limedb.core.idempotency import Proposal, State
from limedb.core.key_range import KeyRange
from limedb.core.layout import Layout, Span
from limedb.core.membership import Ack, Digest, NodeState
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.record import Record
from limedb.core.report import Progress
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence, Topology
from limedb.errors import RecordDamagedError


class Clock(Protocol):
    """The clocks of a node."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970; it may jump."""

    def monotonic(self) -> float:
        """Seconds since some moment; it never runs backwards. For waiting, and for judging the silence of
        others: pauses of this process hardly count (`aio/running_time.py`).
        """

    def elapsed(self) -> float:
        """Seconds since some moment, including all pauses of this process. For comparing clocks."""


class Applied(NamedTuple):
    """The outcome of one record of a batch."""

    superseded_by: int
    """The version of a newer stored record; 0 if the given one is stored."""
    existed: bool
    """Whether the key had a live value before."""
    previous: int = 0
    """The version that was stored before; 0: none."""


Held = Record | RecordDamagedError | None
"""The content of a key in a store: a record; None, which is verified absence; or an error, if the record is
damaged.
"""


class IndexEntry(NamedTuple):
    """The summary of a stored record, by which replicas compare."""

    key: str
    version: int
    checksum: int
    """Of the whole record, so that equal versions with unequal values differ."""
    ends_at: int
    """Milliseconds since 1970 from which the record is garbage once TOMBSTONE_GRACE has passed too: the
    time of a tombstone's version, the expiry of a value with a time to live; 0: never.
    """


class RangePage(NamedTuple):
    """A part of a range of keys."""

    records: list[Record]
    """As stored, in the order of their keys' UTF-8, including tombstones and expired ones."""
    is_end: bool
    """Whether nothing in the range comes after them."""


class ChangeBatch(NamedTuple):
    """Changes in a node's store, in the order of their arrival. Times are milliseconds since 1970, by the
    node's clock.
    """

    records: list[Record]
    until_ms: int
    """All changes that arrived before this time have been sent."""
    complete_since_ms: int
    """All changes that arrived since this time are sent."""
    has_gap: bool
    """Whether that doesn't reach back to the requested time."""
    late: frozenset[int] = frozenset()
    """The places of records that are clients' writes and arrived long after they got their versions."""
    started_ms: int = 0
    """When the log began; 0: unknown."""


class ChangeTail(NamedTuple):
    """A node's log of changes, for its next run. Times are milliseconds since 1970, by the node's clock."""

    started_ms: int
    """When the log began."""
    complete_since_ms: int
    """All changes that arrived since then are in it."""
    until_ms: int
    """Its last time."""
    changes: list[tuple[int, Record, bool]]
    """The time of arrival, the record, and whether it was a late write; in the order of their arrival."""


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Figures of a store."""

    kind: str
    """lmdb, memory or filesystem."""
    keys: int
    """How many keys have a value."""
    size: int
    """Bytes of data."""
    path: str = ""
    """Folder or file; empty in memory."""
    durability: str = ""
    """always, interval, none, or empty."""
    trouble: str = ""
    """The present problem, in words; empty: none."""


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """Figures of requests. total_requests counts from the start, everything else is over the last ten
    seconds.

    Rates are per second; average_latency_ms and error_rate (0 to 1) are 0 if there was no request.
    """

    total_requests: int
    requests_per_second: float
    gets_per_second: float
    sets_per_second: float
    dels_per_second: float
    average_latency_ms: float
    error_rate: float


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """The health figures of a node."""

    uptime_seconds: float
    memory_mb: float
    """Resident MiB."""
    cpu_percent: float
    """Of one core, over the last second."""
    requests: RequestFigures
    store: StoreStats


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A step of scrubbing."""

    place: bytes
    """The start of the next step; empty: this was the last."""
    records: int
    """How many records were checked."""
    size: int
    """Their bytes."""


class Store(Protocol):
    """Records by key. Any method raises StoreClosedError after close, StoreCorruptError on foreign bytes, and
    RecordDamagedError for damaged records: a record that doesn't verify is never returned, nor taken to be
    absent.
    """

    damage: Damage
    """The damage that was found and is not mended yet."""

    async def get(self, key: str) -> Record | None:
        """The stored record of a key, even if it is expired or a tombstone."""

    async def get_many(self, keys: Sequence[str]) -> list[Held]:
        """The records of many keys, in the same order, all from one moment; an error in place of a damaged
        one.
        """

    async def mend(self, key: str, record: Record | None) -> None:
        """Replace a damaged record by another, or by nothing (None). If the stored record isn't damaged (any
        longer), a record is merged and None does nothing.
        """

    async def scrub(self, place: bytes, size: int) -> Scrubbed:
        """Check about `size` bytes from a place on (empty: from the first): records, index and counters.
        Damage is noted, and mended if this store alone suffices.
        """

    async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        """Merge records into the store, all or none; on return they are durable by the setting.
        RecordDamagedError: the stored records of some keys are damaged, nothing was merged.

        Of two records of one key the later sees the outcome of the earlier. StoreFullError: nothing changed.
        """

    async def scan_keys(self, after: str | None, limit: int, now_ms: int, skip: int = 0) -> list[Record]:
        """Live records in the order of their keys' UTF-8, after a key (None: from the first) and after `skip`
        more live ones, at most `limit`. It costs O(log n + skip + limit).
        """

    async def scan_range(self, keys: KeyRange, limit: int, max_bytes: int) -> RangePage:
        """The first page of a range: at most `limit` records, and no more after max_bytes of them; at least
        one if there is one. It costs O(log n + limit).
        """

    async def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        """Token and record, including tombstones, of start <= token <= end, by token and then key; at most
        `limit`, plus further records that share the last one's token.
        """

    async def digests(self, spans: Sequence[Span], cutoff_ms: int) -> list[int]:
        """A digest of the entries of each span, 0 to 2**64 - 1; 0 for a span without entries.

        Replicas that hold the same records have the same digests, and (except for 1 case in 2**64) only they.
        Entries that expired or were deleted before the cutoff (0 < ends_at < cutoff_ms) are left out. It
        yields to the event loop.
        """

    async def entries(self, spans: Sequence[Span]) -> list[IndexEntry]:
        """All entries of some spans, by token and then key. It yields to the event loop.

        ResponseTooLargeError: there are more than some MiB of them; ask for smaller spans.
        """

    async def garbage(self, span: Span, cutoff_ms: int, limit: int) -> tuple[list[IndexEntry], int]:
        """Entries that expired or were deleted before the cutoff, at most `limit`, and the token after the
        last one checked (2**64: all were). It yields to the event loop.
        """

    async def purge(self, entries: Sequence[IndexEntry]) -> int:
        """Remove records permanently if they still have the given version and checksum; returns how many."""

    def count(self) -> int:
        """How many keys have a value, expired ones included until they are deleted. O(1) with lmdb."""

    def high_water(self) -> int:
        """The greatest version ever applied; it survives a restart if the data does."""

    def stats(self) -> StoreStats:
        """Figures for people."""

    async def snapshot(self, path: str) -> None:
        """Write a consistent copy to a folder that does not exist yet or is empty, while writes continue."""

    async def close(self) -> None:
        """Finish accepted work, then close. A second call does nothing."""


class Replica(Protocol):
    """A node's store as the coordinator sees it: the own one or a peer's, without a difference.

    Each message carries the topology under which it was made. Any method raises ReplicaUnreachableError
    (nothing was sent, or for reads: no answer), RequestTimeoutError, StaleEpochError (the replica knows a
    newer topology: start over with it), NotMemberError (it belongs to no cluster, or to another), and
    RemoteError for the replica's own errors.
    """

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        """The stored records of keys, in the same order; an error in place of a damaged one.

        most: bytes of values; None: as many as the replica allows for one read. ResponseTooLargeError, or
        RemoteError with that reason: they have more.
        """

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        """Merge records, all or none. OutcomeUnknownError: sent, but without an answer.

        ClockSkewError: a version is too far in the future. copied: they were stored elsewhere before (hints,
        repair, streaming, a read's write-back), so they aren't first arrivals of clients' writes.
        """

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        """The records of a span as by Store.scan_tokens, but no more than some MiB of them."""

    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        """The first page of a range, of about a MiB at most; see Store.scan_range. keys_only: only the size
        of a value matters, so any other value of that size may replace it.
        """

    def watch(
        self, what: WatchFilter, since_ms: int | None, fence: Fence
    ) -> AsyncGenerator[ChangeBatch, None]:
        """The changes of some keys that arrive from now on, or that arrived since a time; the first batch
        comes at once, and then at least one every second. It has no end. WatchGapError: the caller takes them
        too slowly.
        """

    async def digests(
        self, spans: Sequence[Span], cutoff_ms: int, fence: Fence, deadline: float
    ) -> list[int]:
        """As Store.digests."""

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        """As Store.entries."""

    async def agree(
        self, proposals: Sequence[Proposal], fence: Fence, deadline: float
    ) -> "list[State | None]":
        """The durable states of operations after these proposals; None: the replica might have forgotten the
        operation, and takes no part. A repeated proposal changes nothing.
        """


class Replicas(Protocol):
    """The directory of the nodes' replicas."""

    def at(self, node_url: str) -> Replica:
        """The replica of a node, including this one. It costs no I/O: channels are kept."""

    def is_reachable(self, node_url: str) -> bool:
        """Whether a request to the node has a chance: it is alive as far as gossip and links know."""

    def absence(self, node_url: str) -> str:
        """The knowledge of an unreachable node, as text: for how long, how often it was tried."""


class Placement(Protocol):
    """The ownership of keys, at this moment."""

    @property
    def layout(self) -> Layout:
        """The owners of every key under the newest known topology, `layout.topology`."""

    def adopt(self, topology: Topology) -> None:
        """Move to a newer topology of the own cluster, which another node knew."""


class Inheritance(Protocol):
    """What another program left for this node to store: `replication/taking_over.py`."""

    @property
    def name(self) -> str:
        """Its name, for logs and reports."""

    @property
    def records(self) -> Sequence[Record]:
        """All of it; nothing after `done`."""

    async def done(self) -> None:
        """Note that all of it is stored, so that it is never stored again."""


class HintLog(Protocol):
    """Writes that a replica missed, kept for it until it is back; they survive a restart if the data does.

    A hint is never an acknowledgement, so losing one costs a repair, not a write.
    """

    def add(self, node_url: str, records: Sequence[Record], now_ms: int) -> bool:
        """Keep records for a node. False: they are over the bound in bytes, and left to repair. It costs no
        I/O here: another thread writes hints soon.
        """

    async def oldest(self, node_url: str, limit: int, oldest_ms: int) -> list[Record]:
        """The oldest hints for a node, which stay until `done`; those kept before oldest_ms are dropped."""

    async def done(self, node_url: str, records: Sequence[Record]) -> None:
        """Forget hints that the node has received."""

    async def forget(self, node_url: str) -> None:
        """Forget all hints for a node."""

    @property
    def trouble(self) -> str:
        """Why no hints can be kept, in words; empty while they can."""

    def waiting(self) -> dict[str, int]:
        """How many bytes of hints wait, by node URL; nodes without any are left out."""

    async def close(self) -> None:
        """Write pending hints, and close."""


class OperationLog(Protocol):
    """The operations that a replica remembers, for some minutes (`core/idempotency.py`)."""

    forgotten_ms: int
    """Operations that began earlier (ms since 1970; 0: none) may be forgotten for lack of room."""

    def noted(self, fence: Fence) -> int | None:
        """The time noted last, if under that fence; it survives a restart if the data does."""

    def note(self, fence: Fence, since_ms: int) -> None:
        """Note the time from which on the replica knows all operations. It costs no I/O here: another thread
        writes it soon.
        """

    async def move(self, proposals: Sequence[Proposal], now_ms: int) -> list[State]:
        """The states after proposals; on return they are durable by the store's setting. StoreError,
        StoreFullError: they may be kept nevertheless.
        """

    async def close(self) -> None:
        """Write pending states, and close."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The state that a node must not forget, besides its data."""

    node_id: str
    """Its UUID."""
    topology: Topology = Topology()  # noqa: RUF009 (frozen)
    """The newest known one; epoch 0: it is fresh."""
    acceptor: Acceptor[Topology] = Acceptor()  # noqa: RUF009 (frozen)
    """Its Paxos state for the next epoch."""
    fetched_epoch: int = 0
    """The epoch in which it has fetched the spans of `fetched`."""
    fetched: tuple[Span, ...] = ()
    """Spans that it has fetched completely as a gaining node."""
    cleaned_epoch: int = 0
    """The epoch up to which it has dropped records that it doesn't own."""
    has_left: bool = False
    """Whether it was decommissioned, and must not come back by itself."""
    recent: tuple[Topology, ...] = ()
    """Earlier epochs, the oldest first, as far as they are kept for nodes that missed them."""
    rejoins: str = ""
    """The id of the only cluster that it may join or found, since its data there was damaged and set
    aside; empty: any.
    """


MAX_RECENT = 8
"""Epochs that a node keeps for nodes that missed them: two changes, and the epochs between them."""


@dataclass(frozen=True, slots=True)
class Account:
    """A node's report of its cluster's epochs."""

    since: tuple[Topology, ...]
    """The topologies after the requested epoch, as far as it keeps them, the newest (which is always
    included) last.
    """
    acceptor: Acceptor[Topology] = Acceptor()  # noqa: RUF009 (frozen)
    """Its votes for the next one."""

    @property
    def newest(self) -> Topology:
        """The newest topology that the node knows."""
        return self.since[-1]

    def at(self, epoch: int) -> Topology | None:
        """The topology reported for that epoch; None: there is none."""
        return next((topology for topology in self.since if topology.epoch == epoch), None)


class NodeFile(Protocol):
    """Keeps the state that a node must not forget."""

    def load(self) -> Saved | None:
        """The saved state; None: nothing was saved yet. StoreCorruptError: it is damaged."""

    async def save(self, saved: Saved) -> None:
        """Save the state; on return it is as durable as data. StoreError. Calls take effect in order."""


class TopologyTransport(Protocol):
    """The calls by which nodes agree, by URL. Each raises UnavailableError, RequestTimeoutError and
    RemoteError. timeout: as in GossipTransport.
    """

    async def prepare(
        self, node_url: str, before: Topology, ballot: Ballot, timeout: float
    ) -> "Acceptor[Topology] | Topology":
        """Ask for a promise for the epoch after `before`. Returns the acceptor's state, or the newer topology
        that it knows.
        """

    async def accept(
        self, node_url: str, before: Topology, ballot: Ballot, after: Topology, timeout: float
    ) -> "Acceptor[Topology] | Topology":
        """Ask to accept `after`. Returns the acceptor's state, or the newer topology that it knows."""

    async def pledge(self, node_url: str, founder: str, timeout: float) -> str:
        """Ask a fresh node to let `founder` (a node URL) found its future cluster. Returns the founder that
        it is pledged to now, or "" if it isn't fresh.
        """

    async def learn(self, node_url: str, topology: Topology, timeout: float) -> Topology:
        """Send a decided topology. The node answers with the newest one that it knows, once that is on its
        disk and no write made under an older one runs there any longer.
        """

    async def account(self, node_url: str, after: int, timeout: float) -> Account:
        """The node's account of the epochs after that one. A node of an older version reports only the
        newest.
        """

    async def progress(self, node_url: str, timeout: float) -> Progress:
        """The progress of the node's part of the running change."""


class GossipTransport(Protocol):
    """Gossip's messages to a peer, by its URL. timeout: seconds that the peer may take for its answer; the
    way there and back is added, as far as the transport knows it.
    """

    async def syn(self, node_url: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """Send a SYN, return the ACK. UnavailableError, RequestTimeoutError."""

    async def dial(self, node_url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """Send a SYN to host:port, where that node may or may not be, over a connection that is closed
        afterwards. UnavailableError, RequestTimeoutError.
        """

    async def ack2(self, node_url: str, updates: Sequence[NodeState], timeout: float) -> None:
        """Send the closing ACK2. UnavailableError, RequestTimeoutError."""
