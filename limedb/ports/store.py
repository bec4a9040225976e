"""The content that a store keeps for a node, and its summaries.

It owns the interface between a node and its disk. It must never contain code that does anything.

Tested in tests/replication/conditional/test_guard.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from limedb.core.damage import Damage
from limedb.core.idempotency import Proposal, State
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.promises import Promises
from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.errors import RecordDamagedError


class Applied(NamedTuple):
    """The outcome of one record of a batch."""

    superseded_by: int
    """The version of a newer stored record, or a promised one; 0 if the given one is stored."""
    existed: bool
    """Whether the key had a live value before."""
    previous: int = 0
    """The version that was stored before; 0: none."""

    @property
    def is_by_promise(self) -> bool:
        """Whether the record was refused for a promise (`core/promises.py`): then no stored record reaches
        the version in `superseded_by`.
        """
        return self.superseded_by > self.previous


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

    async def apply(self, records: Sequence[Record], now_ms: int) -> Sequence[Applied]:
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


class Inheritance(Protocol):
    """The data of another program for this node to store: `replication/taking_over.py`."""

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

    @property
    def losses(self) -> int:
        """How often hints were lost since it was opened: damaged, too old, over the bound, without room."""

    def look(self) -> None:
        """Check whether the file was taken away or cut, which is a trouble from then on. It may block."""

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

    promises: Promises
    """The replica's promises for keys (`core/promises.py`). Call `keep` after a change."""
    has_floor: bool
    """Whether it is known that no promise was lost before those in `promises`, or since when."""
    is_new: bool
    """Whether nothing was in the log when it was opened."""

    async def keep(self, keys: Sequence[str]) -> None:
        """Store the present promises for keys; on return they are durable by the store's setting.
        StoreError.
        """

    def keep_soon(self, keys: Sequence[str]) -> None:
        """As `keep`, without waiting: another thread does it soon."""

    def keep_floor(self) -> None:
        """Store the floor of the promises, likewise."""

    async def move(self, proposals: Sequence[Proposal], now_ms: int) -> list[State]:
        """The states after proposals; on return they are durable by the store's setting. StoreError,
        StoreFullError: they may be kept nevertheless.
        """

    async def close(self) -> None:
        """Write pending states, and close."""


@runtime_checkable
class StoredBytes(Protocol):
    """A store that has records at hand in the form in which they are sent."""

    def stored_at(self, key: str) -> bytes | None:
        """The stored bytes of a key, as in `stored`. RecordDamagedError."""

    def stored(self, keys: Sequence[str]) -> list[bytes | RecordDamagedError | None]:
        """The stored bytes of keys, in their order, all of one moment and at once: bytes that verify and are
        a record of their key, or an error.
        """

    async def stored_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, bytes]]:
        """As Store.scan_tokens, for some hundreds at most; keys of one token in no order."""
