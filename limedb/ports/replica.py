"""Replicas of keys, and where they are.

It owns the interface between orchestration and the replicas of keys, near and far. It must never contain
code that does anything.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple, Protocol

from limedb.core.idempotency import Proposal, State
from limedb.core.key_range import KeyRange
from limedb.core.layout import Layout, Span
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence, Topology
from limedb.ports.store import Applied, Held, IndexEntry, RangePage


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


class Promised(NamedTuple):
    """A replica's answer to a ballot."""

    is_promised: bool
    highest: int
    """The highest version or ballot that the replica knows of the key."""
    record: Record | None = None
    """The stored record, if it has promised."""


class KeyPromises(NamedTuple):
    """The promises of a replica for a key."""

    key: str
    ballots: tuple[int, ...]
    """In rising order."""


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

    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        """The places (from 0) of those keys whose stored records haven't the sums that are given
        (`encoding/sums.py`); a damaged one hasn't any. A replica may name more, where it can't tell.
        """

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> Sequence[Applied]:
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

    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Promised:
        """Refuse records of a key below a ballot from now on, durably, if nothing of the key is as high."""

    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        """Take back a promise whose record will never be sent. The topology doesn't matter."""

    async def promises(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[KeyPromises]:
        """The promises for the keys in some ranges of tokens."""


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
