"""The keys that a watch selects.

It owns that choice. It must never know where the changes come from.
"""

from typing import NamedTuple


class WatchFilter(NamedTuple):
    """One key, or the keys with a prefix."""

    key: str = ""
    """Empty if the prefix counts."""
    prefix: str = ""
    """Empty for all keys."""

    def holds(self, key: str) -> bool:
        """Whether a key is chosen."""
        return key == self.key if self.key else key.startswith(self.prefix)
