"""The seams: what orchestration asks of the world, as Protocol classes.

It owns the words between the layers. It must never hold code that does anything.
Times called `deadline` are seconds of `Clock.monotonic`.
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
        others: time in which this process stood still hardly counts (`aio/running_time.py`).
        """

    def elapsed(self) -> float:
        """Seconds since some moment, whatever this process did. For comparing clocks."""


class Applied(NamedTuple):
    """What became of one record of a batch.

    superseded_by: the version of the newer record that is stored, 0 when the given one stands.
    existed: whether the key had a live value before. previous: the version that was stored before, 0: none.
    """

    superseded_by: int
    existed: bool
    previous: int = 0


Held = Record | RecordDamagedError | None
"""What a store has of a key: a record; nothing, verified; or that it can't tell, for what it has is
damaged.
"""


class IndexEntry(NamedTuple):
    """A stored record in short, as replicas compare them.

    checksum: of the whole record, so that equal versions with unequal values differ. ends_at: milliseconds
    since 1970 from which the record is garbage once TOMBSTONE_GRACE has passed too: the time of a tombstone's
    version, the expiry of a value with a time to live; 0: never.
    """

    key: str
    version: int
    checksum: int
    ends_at: int


class RangePage(NamedTuple):
    """A part of a range of keys. records: as stored, in the order of their keys' UTF-8, tombstones and
    expired ones included. is_end: the range holds nothing behind them.
    """

    records: list[Record]
    is_end: bool


class ChangeBatch(NamedTuple):
    """What a node tells of changes in its store, in the order of their arrival. Times are milliseconds since
    1970, by the node's clock.

    until_ms: all that arrived before was told. floor_ms: all that arrived since then is told. has_gap: that
    doesn't reach back as far as was asked for. late: the places of those records that are writes of clients
    and arrived long after they got their version. started_ms: when the log began, 0: not known.
    """

    records: list[Record]
    until_ms: int
    complete_since_ms: int
    has_gap: bool
    late: frozenset[int] = frozenset()
    started_ms: int = 0


class ChangeTail(NamedTuple):
    """A node's log of changes, to be taken over by its next run. Times are milliseconds since 1970, by the
    node's clock.

    started_ms: when the log began. floor_ms: all that arrived since then is there. until_ms: its last time.
    changes: when each arrived, the record, and whether it was a late write; in the order of their arrival.
    """

    started_ms: int
    complete_since_ms: int
    until_ms: int
    changes: list[tuple[int, Record, bool]]


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Figures of a store. kind: lmdb, memory or filesystem; keys: those with a value; size: bytes of data;
    path: folder or file, empty in memory; durability: always, interval, none, or empty.
    trouble: what is wrong with it now, in words; empty: nothing.
    """

    kind: str
    keys: int
    size: int
    path: str = ""
    durability: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """How requests do. total_requests counts from the start, all else is over the last ten seconds.

    Rates are per second; average_latency_ms is 0 and error_rate (0 to 1) is 0 when there was no request.
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
    """How a node does. memory: resident MiB. cpu: percent of one core over the last second."""

    uptime_seconds: float
    memory_mb: float
    cpu_percent: float
    requests: RequestFigures
    store: StoreStats


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A step of scrubbing. place: where the next one begins; empty: it was the last. records: that were
    checked, of so many bytes.
    """

    place: bytes
    records: int
    size: int


class Store(Protocol):
    """Records by key. Any method raises StoreClosedError after close, StoreCorruptError on foreign bytes, and
    RecordDamagedError where it can't tell what it has: a record that doesn't verify is never given out, nor
    taken for absent.

    damage: what was found damaged, and is not mended.
    """

    @property
    def damage(self) -> Damage:
        """As above."""

    async def get(self, key: str) -> Record | None:
        """The record of a key as it is stored, expired ones and tombstones included."""

    async def get_many(self, keys: Sequence[str]) -> list[Held]:
        """The records of many keys, in their order, all of one moment; an error where one is damaged."""

    async def mend(self, key: str, record: Record | None) -> None:
        """Put a record in the place of a damaged one, or nothing (None). Where what is stored isn't damaged
        (any more), a record is merged and None does nothing.
        """

    async def scrub(self, place: bytes, size: int) -> Scrubbed:
        """Check what stands from a place on (empty: from the first), about `size` bytes of it: records,
        index and counters. What is damaged is noted, what can be mended from here is.
        """

    async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        """Merge records into the store, all or none; durable as the setting says when it returns.
        RecordDamagedError: what is stored under some of the keys is damaged, nothing was merged.

        Of two records of one key the later sees what the earlier left. StoreFullError: nothing changed.
        """

    async def scan_keys(self, after: str | None, limit: int, now_ms: int, skip: int = 0) -> list[Record]:
        """Live records in the order of their keys' UTF-8, from behind a key (None: the first) and behind
        `skip` live ones more, `limit` at most. It costs O(log n + skip + limit).
        """

    async def scan_range(self, keys: KeyRange, limit: int, max_bytes: int) -> RangePage:
        """The first page of a range: `limit` records at most, and no more behind max_bytes of them; one at
        least where there is one. It costs O(log n + limit).
        """

    async def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        """Token and record, tombstones included, of start <= token <= end, by token and then key;
        `limit` at most, and beyond it whatever shares the last one's token.
        """

    async def digests(self, spans: Sequence[Span], cutoff_ms: int) -> list[int]:
        """A digest of the entries of each span, 0 to 2**64 - 1; 0 where it has none.

        Replicas that hold the same records have the same digests, and (but for 1 in 2**64) only they. Entries
        that ended before the cutoff (0 < ends_at < cutoff_ms) are left out. It yields to the event loop.
        """

    async def entries(self, spans: Sequence[Span]) -> list[IndexEntry]:
        """All entries of some spans, by token and then key. It yields to the event loop.

        ResponseTooLargeError: over some MiB of them, ask for smaller spans.
        """

    async def garbage(self, span: Span, cutoff_ms: int, limit: int) -> tuple[list[IndexEntry], int]:
        """Entries that ended before the cutoff, `limit` at most, and the token behind the last one looked at
        (2**64: all were). It yields to the event loop.
        """

    async def purge(self, entries: Sequence[IndexEntry]) -> int:
        """Remove records for good, those that still have the version and checksum given; how many."""

    def count(self) -> int:
        """How many keys have a value, expired ones included until they are deleted. O(1) with lmdb."""

    def high_water(self) -> int:
        """The greatest version ever applied; it survives a restart where the data does."""

    def stats(self) -> StoreStats:
        """Figures for people."""

    async def snapshot(self, path: str) -> None:
        """Write a consistent copy to a folder that does not exist yet or is empty, while writes go on."""

    async def close(self) -> None:
        """Finish what was accepted, then close. A second call does nothing."""


class Replica(Protocol):
    """A node's store as the coordinator sees it: its own or a peer's, without a difference.

    Each message carries the topology that it was made under. Any method raises
    ReplicaUnreachableError (nothing was sent, or for reads: no answer), RequestTimeoutError,
    StaleEpochError (the replica knows a newer topology: start over with it), NotMemberError (it belongs to
    no cluster, or another), and RemoteError for an error of the replica's own.
    """

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        """The records of keys as stored, in their order; an error where one is damaged there.

        most: bytes of values. ResponseTooLargeError, or RemoteError of that reason: they have more; None: as
        many as the replica lets one read have.
        """

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        """Merge records, all or none. OutcomeUnknownError: sent, and no answer.

        ClockSkewError: a version is too far in the future. copied: they were stored elsewhere before (hints,
        repair, streaming, a read's write-back), so that they are no writes of clients that arrive first.
        """

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        """The records of a span as Store.scan_tokens has them, and no more than some MiB of them."""

    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        """The first page of a range, of about a MiB at most; see Store.scan_range. keys_only: of a value its
        size is wanted, so that it may be any other of that size.
        """

    def watch(
        self, what: WatchFilter, since_ms: int | None, fence: Fence
    ) -> AsyncGenerator[ChangeBatch, None]:
        """The changes of some keys that arrive from now on, or arrived from a time on; the first batch comes
        at once, and one at least every second. It has no end. WatchGapError: they are taken too slowly.
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
        """What it remembers of operations after these proposals, durably; None: it might have forgotten one,
        and takes no part. Sent again, a proposal changes nothing.
        """


class Replicas(Protocol):
    """Where to find the replica of a node."""

    def at(self, node_url: str) -> Replica:
        """The replica of a node, itself included. It costs no I/O: the channel is kept."""

    def is_reachable(self, node_url: str) -> bool:
        """Whether a request to the node has a chance: it is alive for all that gossip and links know."""

    def absence(self, node_url: str) -> str:
        """What is known of a node that isn't reachable, as text: for how long, how often it was tried."""


class Placement(Protocol):
    """Who owns what, at this moment."""

    @property
    def layout(self) -> Layout:
        """The owners of every key under the newest topology known, which is `layout.topology`."""

    def adopt(self, topology: Topology) -> None:
        """Go over to a newer topology of the own cluster, which another node knew."""


class HintLog(Protocol):
    """Writes that a replica missed, kept for it until it is back; they outlive a restart where data does.

    A hint is never an acknowledgement, so that losing one costs a repair, not a write.
    """

    def add(self, node_url: str, records: Sequence[Record], now_ms: int) -> bool:
        """Keep records for a node. False: over the bound in bytes, they are left to repair. It costs no
        I/O here: hints are written soon, in another thread.
        """

    async def oldest(self, node_url: str, limit: int, oldest_ms: int) -> list[Record]:
        """The oldest hints for a node, which stay until `done`; those kept before oldest_ms are dropped."""

    async def done(self, node_url: str, records: Sequence[Record]) -> None:
        """Forget hints that the node has now."""

    async def forget(self, node_url: str) -> None:
        """Forget all hints for a node."""

    @property
    def trouble(self) -> str:
        """Why no hints can be kept, in words; empty while they can."""

    def waiting(self) -> dict[str, int]:
        """How many bytes of hints wait, by node URL; nodes without any are left out."""

    async def close(self) -> None:
        """Write what is not written yet, and close."""


class OperationLog(Protocol):
    """What a replica remembers of operations, for some minutes (`core/idempotency.py`)."""

    @property
    def forgotten_ms(self) -> int:
        """Operations that began earlier (ms since 1970; 0: none) may be forgotten for want of room."""

    def noted(self, fence: Fence) -> int | None:
        """What was noted last, if it was under that fence; it outlives a restart where the data does."""

    def note(self, fence: Fence, since_ms: int) -> None:
        """Keep soon from when on the replica can tell of operations. It costs no I/O here."""

    async def move(self, proposals: Sequence[Proposal], now_ms: int) -> list[State]:
        """The states after proposals; durable, as the store's setting says, when it returns. StoreError,
        StoreFullError: they may be kept all the same.
        """

    async def close(self) -> None:
        """Write what is not written yet, and close."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a node must not forget beside its data.

    node_id: its UUID. topology: the newest it knows (epoch 0: it is fresh). acceptor: its Paxos state for
    the epoch after that. recent: the epochs before it, the oldest first, as far as they are kept for those
    who missed them. fetched: spans that it has fetched in full as a gaining node in the epoch
    fetched_epoch. cleaned_epoch: the epoch up to which it has dropped what it doesn't own. has_left: it was
    decommissioned, and must not come back by itself. rejoins: the cluster_id that it may join and found
    nothing beside, since its data there was damaged and set aside; empty: any.
    """

    node_id: str
    topology: Topology = Topology()  # noqa: RUF009 (frozen)
    acceptor: Acceptor[Topology] = Acceptor()  # noqa: RUF009 (frozen)
    fetched_epoch: int = 0
    fetched: tuple[Span, ...] = ()
    cleaned_epoch: int = 0
    has_left: bool = False
    recent: tuple[Topology, ...] = ()
    rejoins: str = ""


MAX_RECENT = 8
"""Epochs that a node keeps for those who missed them: two changes, and what came between."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a node says of the epochs of its cluster. since: the topologies after the epoch that was asked
    for, as far as it keeps them, the newest (which is always there) last. acceptor: its votes for the one
    after that.
    """

    since: tuple[Topology, ...]
    acceptor: Acceptor[Topology] = Acceptor()  # noqa: RUF009 (frozen)

    @property
    def newest(self) -> Topology:
        """The newest topology that the node knows."""
        return self.since[-1]

    def at(self, epoch: int) -> Topology | None:
        """What it says that epoch is; None: nothing."""
        return next((topology for topology in self.since if topology.epoch == epoch), None)


class NodeFile(Protocol):
    """Where a node keeps what it must not forget."""

    def load(self) -> Saved | None:
        """What was saved; None: nothing yet. StoreCorruptError: not what was saved."""

    async def save(self, saved: Saved) -> None:
        """Keep it; durable when this returns, as data is. StoreError. Calls take effect in their order."""


class TopologyTransport(Protocol):
    """How nodes agree, by URL. Each raises UnavailableError and RequestTimeoutError, and RemoteError.
    timeout: as GossipTransport's.
    """

    async def prepare(
        self, node_url: str, before: Topology, ballot: Ballot, timeout: float
    ) -> "Acceptor[Topology] | Topology":
        """Ask for a promise for the epoch after `before`: the acceptor's state, or the newer topology that
        it knows.
        """

    async def accept(
        self, node_url: str, before: Topology, ballot: Ballot, after: Topology, timeout: float
    ) -> "Acceptor[Topology] | Topology":
        """Ask to accept `after`: the acceptor's state, or the newer topology that it knows."""

    async def pledge(self, node_url: str, founder: str, timeout: float) -> str:
        """Ask a fresh node to let `founder` (a node URL) found the cluster that it will be in: the founder
        that it is pledged to now, or "" where it isn't fresh.
        """

    async def learn(self, node_url: str, topology: Topology, timeout: float) -> Topology:
        """Tell a decided topology. It answers the newest that it knows, when that is on its disk and no
        write made under an older one runs there any more.
        """

    async def account(self, node_url: str, after: int, timeout: float) -> Account:
        """What it says of the epochs after that one. A node of an older version says the newest alone."""

    async def progress(self, node_url: str, timeout: float) -> Progress:
        """How it does its part of the change that runs."""


class GossipTransport(Protocol):
    """How gossip reaches a peer, by its URL. timeout: seconds that the peer may take for its answer; the way
    there and back comes on top, as far as the transport knows it.
    """

    async def syn(self, node_url: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """Send a SYN, return the ACK. UnavailableError, RequestTimeoutError."""

    async def dial(self, node_url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """Send a SYN to host:port, where that node may be or not, over a connection that is closed then.
        UnavailableError, RequestTimeoutError.
        """

    async def ack2(self, node_url: str, updates: Sequence[NodeState], timeout: float) -> None:
        """Send the closing ACK2. UnavailableError, RequestTimeoutError."""
