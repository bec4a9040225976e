"""Ranges of keys, in the order of their UTF-8, which is also the order of their code points.

It owns where a range begins and ends. It must never know which nodes hold its keys.
"""

from typing import NamedTuple

_LAST = "\U0010ffff"
_BEFORE_SURROGATES, _BEHIND_SURROGATES = "\ud7ff", "\ue000"


class KeyRange(NamedTuple):
    """The keys from start (included) to end (excluded)."""

    start: str = ""
    """Empty for the first key."""
    end: str | None = None
    """None for no bound."""

    @property
    def is_empty(self) -> bool:
        """Whether no key can be in it."""
        return self.end is not None and self.start >= self.end

    def holds(self, key: str) -> bool:
        """Whether a key is in it."""
        return self.start <= key and (self.end is None or key < self.end)

    def begin_at(self, start: str) -> "KeyRange":
        """The rest of the range, from a key on."""
        return KeyRange(start, self.end)


def key_range(prefix: str = "", start: str = "", end: str = "", after: str | None = None) -> KeyRange:
    """The keys with a prefix, from start on, before end (empty: no bound) and after another (None: any)."""
    first = max(prefix, start, "" if after is None else behind(after))
    ends = [key for key in (end or None, end_of_prefix(prefix)) if key is not None]
    return KeyRange(first, min(ends, default=None))


def behind(key: str) -> str:
    """The smallest text greater than another."""
    return key + "\0"


def end_of_prefix(prefix: str) -> str | None:
    """The smallest text greater than all that begin with a prefix; None: there is none."""
    head = prefix.rstrip(_LAST)
    if not head:
        return None
    last = head[-1]
    return head[:-1] + (_BEHIND_SURROGATES if last == _BEFORE_SURROGATES else chr(ord(last) + 1))
