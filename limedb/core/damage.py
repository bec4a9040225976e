"""The damage that a store has found in itself and not mended yet.

It owns the list and its counts. It must never mend anything, nor read a store.

For a listed key this store has no answer: it may report neither a value nor its absence. Any thread may add
keys.
"""

from collections.abc import Callable, Iterable
from itertools import islice

from limedb.errors import LOST, RecordDamagedError

MAX_DAMAGED = 100_000
"""The most keys on the list; the search will find the others again."""


class Damage:
    """Damaged records by key. found: keys that were noted; mended: those of them that were mended; lost:
    those that no other replica had; lost_now: those that no other replica has at the moment. index: index
    entries that were mended from their records; checked: records that scrubbing has read. conflicts: how
    often two records of one key had the same version; conflict: the last of them. structure: what is wrong
    with the file as a whole, as a sentence; empty: nothing.
    """

    def __init__(self) -> None:
        self._why: dict[str, str] = {}
        self.found = self.mended = self.lost = self.index = self.checked = 0
        self.conflicts, self.conflict = 0, ("", "")
        self.structure = ""
        self.lost_now: set[str] = set()
        self._listeners: list[Callable[[], None]] = []

    def note_conflict(self, key: str, between: str = "this node and another") -> None:
        """Note that another record with the same version exists. between: the nodes that hold them."""
        self.conflicts += 1
        self.conflict = (key, between)
        for call in self._listeners:
            call()

    def __len__(self) -> int:
        return len(self._why)

    def __contains__(self, key: str) -> bool:
        return key in self._why

    def listen(self, call: Callable[[], None]) -> None:
        """Call back whenever a new key is listed, in the thread that lists it."""
        self._listeners.append(call)

    def note(self, keys: Iterable[str], why: str) -> None:
        """List keys whose records are damaged."""
        new = [key for key in keys if key not in self._why]
        if not new or len(self._why) >= MAX_DAMAGED:
            return
        self._why.update(dict.fromkeys(new, why))
        self.found += len(new)
        for call in self._listeners:
            call()

    def lose(self, key: str) -> None:
        """Note that no other replica has the record that is damaged here."""
        if key not in self.lost_now:
            self.lost_now.add(key)
            self.lost += 1

    def why(self, key: str, found: str) -> str:
        """The reason why a key can't be read, in words. found: the flaw of its record."""
        return f"{found}; {LOST}" if key in self.lost_now else found

    def drop(self, key: str, *, is_mended: bool) -> None:
        """Take a key off the list: it was mended, or isn't damaged (any longer)."""
        self.lost_now.discard(key)
        if self._why.pop(key, None) is not None:
            self.mended += is_mended

    def counts(self) -> dict[str, int]:
        """Records by outcome (waiting, mended, lost), index entries and conflicts."""
        return {
            "waiting": len(self._why),
            "mended": self.mended,
            "lost": self.lost,
            "index": self.index,
            "conflict": self.conflicts,
        }

    def some(self, limit: int) -> list[tuple[str, str]]:
        """The first keys of the list, each with the reason."""
        return [*islice(self._why.copy().items(), limit)]


def check_whole(found: Iterable[object]) -> None:
    """RecordDamagedError: a replica can't read some keys, so the records found aren't all that it holds."""
    for held in found:
        if isinstance(held, RecordDamagedError):
            raise held
