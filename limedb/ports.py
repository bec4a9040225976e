"""The seams: what orchestration asks of the world, as Protocol classes.

It owns the words between the layers. It must never hold code that does anything.
Times called `deadline` are seconds of `Clock.monotonic`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from limedb.core.membership import Ack, Digest, NodeState
from limedb.core.record import Record


class Clock(Protocol):
    """The two clocks of a node."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970; it may jump."""

    def monotonic(self) -> float:
        """Seconds since some moment; it never runs backwards."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one record of a batch.

    superseded_by: the version of the newer record that is stored, 0 when the given one stands.
    existed: whether the key had a live value before.
    """

    superseded_by: int
    existed: bool


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Figures of a store. kind: lmdb, memory or filesystem; keys: those with a value; size: bytes of data;
    path: folder or file, empty in memory; durability: always, interval, none, or empty.
    """

    kind: str
    keys: int
    size: int
    path: str = ""
    durability: str = ""


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


class Store(Protocol):
    """Records by key. Any method raises StoreClosedError after close, StoreCorruptError on foreign bytes."""

    async def get(self, key: str) -> Record | None:
        """The record of a key as it is stored, expired ones and tombstones included."""

    async def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        """The records of many keys, in their order, all of one moment."""

    async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        """Merge records into the store, all or none; durable as the setting says when it returns.

        Of two records of one key the later sees what the earlier left. StoreFullError: nothing changed.
        """

    async def scan_keys(self, after: str | None, limit: int, now_ms: int, skip: int = 0) -> list[Record]:
        """Live records in the order of their keys' UTF-8, from behind a key (None: the first) and behind
        `skip` live ones more, `limit` at most. It costs O(log n + skip + limit).
        """

    async def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        """Token and record, tombstones included, of start <= token <= end, by token and then key;
        `limit` at most, and beyond it whatever shares the last one's token.
        """

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
    """A node's store as the coordinator sees it: its own or a peer's, without a difference."""

    async def read(self, keys: Sequence[str], deadline: float) -> list[Record | None]:
        """The records of keys as stored. OwnerUnreachableError, RequestTimeoutError."""

    async def apply(self, records: Sequence[Record], deadline: float) -> list[Applied]:
        """Merge records, all or none. OwnerUnreachableError: not sent; OutcomeUnknownError: no answer."""


class Replicas(Protocol):
    """Where to find the replica of a node."""

    def at(self, node_url: str) -> Replica:
        """The replica of a node, itself included. It costs no I/O: the channel is kept."""


class Placement(Protocol):
    """Who owns what, at this moment."""

    def owner(self, key: str) -> str:
        """The URL of the node that owns a key."""


class GossipTransport(Protocol):
    """How gossip reaches a peer, by its URL."""

    async def syn(self, node_url: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """Send a SYN, return the ACK. UnavailableError, RequestTimeoutError."""

    async def ack2(self, node_url: str, updates: Sequence[NodeState], timeout: float) -> None:
        """Send the closing ACK2. UnavailableError, RequestTimeoutError."""
