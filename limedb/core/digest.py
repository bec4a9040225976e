"""How replicas find where they differ without sending each other all that they hold.

It owns the digest of a range, how ranges are cut for it, and which side lacks which entries of two lists. It
must never read a store or ask a replica.

A replica digests each of many small spans ("leaves"); only the leaves whose digests differ are compared entry
by entry. This is a Merkle tree with a single level (the tree: DeCandia et al. 2007, "Dynamo", section 4.7): a
leaf's digest is 8 bytes for about a hundred keys, and computing it costs more than sending it.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from limedb.core.layout import Span
from limedb.core.ring import TOKENS

_MODULUS = (1 << 64) - 1
LEAF_KEYS = 96
"""Keys that a leaf should hold: twice as many would halve the traffic between equal replicas, and double the
entries listed for each key that differs.
"""


class Versioned(Protocol):
    """The part of an entry that a comparison needs. checksum: of the whole record."""

    @property
    def key(self) -> str:
        """The whole key."""

    @property
    def version(self) -> int:
        """Hybrid logical clock."""

    @property
    def checksum(self) -> int:
        """0 to 2**64 - 1."""

    @property
    def ends_at(self) -> int:
        """When it was deleted, or expires: milliseconds since 1970; 0: never."""


_V = TypeVar("_V", bound=Versioned)


class Difference(NamedTuple):
    """Keys in order.

    A key is in both lists if the versions are equal and the values differ: each side merges, with the same
    outcome.
    """

    pull: list[str]
    """Keys that the own side lacks, or has in an older version."""
    push: list[str]
    """Keys that the other side lacks, or has in an older version."""


def accumulate(digest: int, packed: bytes) -> int:
    """A digest with further entries added. packed: 16 bytes for each, its version and checksum, big-endian.

    The digest of no entries is 0, and that of any others never is. Laws: the digest doesn't depend on the
    order and portions in which entries are added. It is the sum of all 8-byte words modulo 2**64 - 1, where
    the modulus itself stands for the remainder 0; 2**64 is 1 in that modulus, so the words need not be taken
    apart. Checksums are hashes of whole records: two different sets have the same sum in one case of 2**64.
    """
    if not packed:
        return digest
    return (digest + int.from_bytes(packed, "big")) % _MODULUS or _MODULUS


def leaves(spans: Iterable[Span], density: float, keys: int = LEAF_KEYS) -> Iterator[Span]:
    """Spans cut into leaves of about `keys` keys, in order. density: the estimated number of keys per
    token.
    """
    size = max(1, min(TOKENS, int(keys / density))) if density > 0 else TOKENS
    for span in spans:
        yield from cut(span, -(-span.size // size))


def cut(span: Span, parts: int) -> Iterator[Span]:
    """A span cut into parts whose sizes differ by at most a token; fewer parts if it has fewer tokens."""
    parts = min(parts, span.size)
    edges = (span.first + span.size * i // parts for i in range(1, parts + 1))
    first = span.first
    for edge in edges:
        yield Span(first, edge - 1)
        first = edge


def compare(own: Iterable[Versioned], other: Iterable[Versioned], cutoff_ms: int = 0) -> Difference:
    """The entries of the same spans that two replicas lack. Equal lists give an empty result; swapping the
    lists swaps it.

    A record that expired or was deleted before the cutoff isn't sent to a side that has nothing for its key:
    that side may have purged it, and has no older value that could come back.
    """
    ours, theirs = ({entry.key: entry for entry in entries} for entries in (own, other))
    return Difference(_lacking(theirs, ours, cutoff_ms), _lacking(ours, theirs, cutoff_ms))


def is_behind(entry: Versioned | None, other: Versioned) -> bool:
    """Whether the stored entry of a key would change, or might, if the other were merged into it."""
    if entry is None or entry.version != other.version:
        return entry is None or entry.version < other.version
    return entry.checksum != other.checksum


def _lacking(present: dict[str, _V], behind: dict[str, _V], cutoff_ms: int) -> list[str]:
    """The keys of `present` that `behind` lacks, or may have to change."""
    return [
        key
        for key, entry in present.items()
        if is_behind(known := behind.get(key), entry)
        and not (known is None and 0 < entry.ends_at < cutoff_ms)
    ]
