"""Reads from the own store that peers confirm: they compare sums of records instead of sending records.

It owns the choice of keys that may be read in this way, the own records until they are confirmed, and the
safety argument. It must never decide an answer to a client, nor mend: an unconfirmed key is read the whole
way (`resolver.py`), as if nobody had asked for it before.

A read at a level takes the node's own stored bytes of the keys that it owns, then asks as many other owners
as the level still needs whether their records have the same sums (`encoding/sums.py`). For keys that all of
them confirm, the own bytes are the answer.

This read is equivalent to the whole way, which fetches the records and compares them here, because:

- The own read is one of the answers that the level counts: it is verified by its checksum, made under the
  topology of the request, and made after the request came. A request that comes while a comparison is on its
  way takes part in the next one (`get_batcher.py`). Nothing is kept from one request to the next.
- A peer that confirms has read and verified its own record after that, under the same fence; it refuses if it
  knows a newer topology, and then the whole way starts over. So as many different owners as the level needs
  each held this record at a moment between the request's start and its end: on the whole way these would be
  answers that agree. There, too, the answers are of different moments, and where they agree nothing is
  written back.
- A replica gives a record up only for one that wins over it (purging and changes of owners have arguments of
  their own, which hold for both ways). So a write that was acknowledged before the
  request began is at one of these owners at least, as this record or under a newer one; and a later read
  meets one of them, and finds this record or a newer one: reads don't go back in time.
- Equal sums mean equal records: the sum contains the version, and another record of that version has another
  XXH3, except in 1 of 2**64 cases. That is no defence against a lying peer, which could send forged records
  as well (`checked_replicas.py`).
- Whether a record has expired is judged by this node alone, when it answers; the moment is part of the bytes.
  A tombstone is a record like any other. Where one replica has purged a tombstone that the other still has,
  they differ, and the whole way decides.
- A hint isn't a record of a replica: neither this node nor the peer looks at hints.
- A damaged record never equals another one. If one of the own records is damaged, all keys go the whole way,
  which asks nodes other than this one; a peer reports its damaged record as different.
- While owners change, reads ask the natural owners, as the whole way does. A read at LINEARIZABLE must ensure
  that both sides have the record that it returns, so it always goes the whole way.
- The next peer replaces one that fails or is late, as in every quorum call; if too few remain, no key is
  confirmed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from limedb.core.layout import Layout, Owners
from limedb.core.quorum import Level, needed
from limedb.core.topology import Fence
from limedb.encoding.sums import SUM_SIZE, Found, sums_of
from limedb.errors import RequestTimeoutError, StaleEpochError, brief
from limedb.ports import Placement
from limedb.replication.read.reader import Comparison, Reader

MAX_RECORD = 16 << 10
"""Bytes of a record up to which it is read together with others, before its request has room in memory."""
LEAST_LEFT = 0.1
"""The part of a request's time that must be left for the whole way."""


class OwnRecords(Protocol):
    """The own replica, as far as reads from it need it; see `replication.replica.LocalReplica`."""

    def read_stored(self, keys: Sequence[str], fence: Fence, most: int | None = None) -> list[Found] | None:
        """The verified stored bytes of keys, at once; None: the store can't, or they may be too large
        together.
        """

    def read_small(
        self, keys: Sequence[str], fence: Fence, most: int
    ) -> tuple[list[Found], list[int]] | None:
        """The same, without records of more than `most` bytes, and the places of these."""


class OwnRead(NamedTuple):
    """Keys that were read here, and wait for confirmation. found: the stored bytes of all keys here, in their
    order. comparisons: of the keys that peers own, too. others: the places of the other keys.
    """

    found: list[Found]
    comparisons: list[Comparison]
    others: list[int]
    fence: Fence


class ConfirmedReads:
    """Reads from the own store. own_url: the node's own. levels: those of such reads; simulations add
    LINEARIZABLE, whose histories they check. max_record: bytes of a record up to which it is read together
    with others; simulations choose it, too.
    """

    def __init__(self, own_url: str, own: OwnRecords | None, placement: Placement, reader: Reader) -> None:
        self._own_url, self._own, self._placement, self._reader = own_url, own, placement, reader
        self.levels = frozenset((Level.QUORUM, Level.ALL))
        self.max_record = MAX_RECORD

    def covers(self, key: str, level: Level) -> bool:
        """Whether a key can be read so. NotMemberError."""
        if self._own is None or level not in self.levels:
            return False
        layout = self._placement.layout
        return self._peers_needed(layout.everywhere or layout.of_key(key), level) > 0

    def begin(
        self, keys: Sequence[str], level: Level, most: int | None = None, largest: int | None = None
    ) -> OwnRead | None:
        """Read different keys here; None: none can be read in this way. largest: bytes of a record beyond
        which it isn't read in this way. ResponseTooLargeError: together they have more than `most` bytes.
        NotMemberError.
        """
        if self._own is None or level not in self.levels:
            return None
        layout = self._placement.layout
        shares, others = self._shares(keys, layout, level)
        if not shares:
            return None
        fence = layout.topology.fence
        large: list[int] = []
        if largest is None:
            found = self._own.read_stored(keys, fence, most)
        else:
            found, large = self._own.read_small(keys, fence, largest) or (None, large)
        sums = None if found is None else sums_of(found)
        if found is None or sums is None:
            return None
        if large:
            without = {owners: [p for p in places if p not in large] for owners, places in shares.items()}
            shares, others = (
                {owners: places for owners, places in without.items() if places},
                [*others, *large],
            )
        return OwnRead(found, self._comparisons(keys, sums, shares, level), others, fence)

    async def confirm(self, read: OwnRead, deadline: float) -> list[int]:
        """Ask peers to confirm the records; return the places of all keys that must go the whole way."""
        try:
            await self._reader.compare(read.comparisons, read.fence, deadline)
        except StaleEpochError:  # the whole way gets the same error, and follows it
            return [place for one in read.comparisons for place in one.places]
        return [place for one in read.comparisons for place in one.unconfirmed]

    async def read_large(self, key: str, level: Level, deadline: float, most: int | None) -> bytes | None:
        """The stored bytes of a record of more than max_record bytes, once peers have confirmed them; None:
        it is to be read the whole way. So is a smaller one, which peers have refused already. Errors as
        `begin`.
        """
        read = self.begin((key,), level, most)
        if read is None or not isinstance(data := read.found[0], bytes) or len(data) <= self.max_record:
            return None
        return None if await self.confirm(read, deadline) else data

    def _shares(
        self, keys: Sequence[str], layout: Layout, level: Level
    ) -> tuple[Mapping[Owners, Sequence[int]], list[int]]:
        """The places of keys by their owners, and of those that can't be read in this way."""
        if (owners := layout.everywhere) is not None:
            places = range(len(keys))
            return ({owners: places}, []) if self._peers_needed(owners, level) > 0 else ({}, [*places])
        by_owners: dict[Owners, list[int]] = {}
        for place, key in enumerate(keys):
            by_owners.setdefault(layout.of_key(key), []).append(place)
        others: list[int] = []
        for owners in [*by_owners]:
            if self._peers_needed(owners, level) <= 0:
                others += by_owners.pop(owners)
        return by_owners, others

    def _peers_needed(self, owners: Owners, level: Level) -> int:
        """How many peers must confirm a key; 0: it can't be read in this way."""
        is_settled = level is not Level.LINEARIZABLE or not owners.other_replicas
        return needed(level, owners.replicas) - 1 if is_settled and self._own_url in owners.natural else 0

    def _comparisons(
        self, keys: Sequence[str], sums: bytes, shares: Mapping[Owners, Sequence[int]], level: Level
    ) -> list[Comparison]:
        comparisons = []
        for owners, places in shares.items():
            peers = [url for url in owners.natural if url != self._own_url]
            chosen, of_them = keys, sums
            if len(places) < len(keys):
                chosen = [keys[i] for i in places]
                of_them = b"".join([sums[SUM_SIZE * i : SUM_SIZE * (i + 1)] for i in places])
            comparisons.append(Comparison(chosen, places, of_them, peers, self._peers_needed(owners, level)))
        return comparisons


def too_late(key: str, began: float, now: float, deadline: float) -> RequestTimeoutError | None:
    """The error of an unconfirmed key if hardly any time remains for the whole way; None: there is enough
    time. Times are of one clock, seconds.
    """
    if deadline - now >= LEAST_LEFT * (deadline - began):
        return None
    return RequestTimeoutError(now - began, f"the replicas of key {brief(key)}")
