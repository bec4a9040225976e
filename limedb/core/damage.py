"""What a store has found damaged in itself and is not mended yet.

It owns the list, and the counts of it. It must never mend anything, nor read a store.

A key that stands here has no answer in this store: neither its value nor its absence. Any thread may note.
"""

from collections.abc import Callable, Iterable
from itertools import islice

from limedb.errors import RecordDamagedError

MAX_DAMAGED = 100_000
"""Keys that are listed at most; others are found again."""
LOST = "no other replica has it"


class Damage:
    """Damaged records by key. found: keys that were noted; mended: of them; lost: of them, those that no
    other replica had; lost_now: those of which that is so still. index: entries of the index that were mended
    from their records; checked: records that scrubbing has read. conflicts: how often two records of one key
    had one version; conflict: the last of them.
    structure: what is wrong with the file as a whole, as a sentence; empty: nothing is.
    """

    def __init__(self) -> None:
        self._why: dict[str, str] = {}
        self.found = self.mended = self.lost = self.index = self.checked = 0
        self.conflicts, self.conflict = 0, ("", "")
        self.structure = ""
        self.lost_now: set[str] = set()
        self._listeners: list[Callable[[], None]] = []

    def note_conflict(self, key: str, between: str = "this node and another") -> None:
        """Take in that another record with the same version is there. between: which nodes."""
        self.conflicts += 1
        self.conflict = (key, between)
        for call in self._listeners:
            call()

    def __len__(self) -> int:
        return len(self._why)

    def __contains__(self, key: str) -> bool:
        return key in self._why

    def listen(self, call: Callable[[], None]) -> None:
        """Have something called whenever a key is noted that was not listed; in whatever thread noted it."""
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
        """Take in that no other replica has what is damaged under a key."""
        if key not in self.lost_now:
            self.lost_now.add(key)
            self.lost += 1

    def why(self, key: str, found: str) -> str:
        """Why a key can't be read, in words. found: what is wrong with its record."""
        return f"{found}; {LOST}" if key in self.lost_now else found

    def drop(self, key: str, *, is_mended: bool) -> None:
        """Take a key off the list: it was mended, or is not damaged (any more)."""
        self.lost_now.discard(key)
        if self._why.pop(key, None) is not None:
            self.mended += is_mended

    def counts(self) -> dict[str, int]:
        """Records by what became of them: waiting, mended, lost; and entries of the index, and conflicts."""
        return {
            "waiting": len(self._why),
            "mended": self.mended,
            "lost": self.lost,
            "index": self.index,
            "conflict": self.conflicts,
        }

    def some(self, limit: int) -> list[tuple[str, str]]:
        """Keys of the list and why, the first that were noted."""
        return [*islice(self._why.copy().items(), limit)]


def check_whole(found: Iterable[object]) -> None:
    """RecordDamagedError: of some keys a replica can't tell, so that what was found isn't all that it has."""
    for held in found:
        if isinstance(held, RecordDamagedError):
            raise held
