"""The keys that are LimeDB's own.

It owns their prefix, and how a client's view leaves them out. They lie in the cluster as all keys do; only
nodes read and write them. No answer to a client must ever hold one of them, whichever way the request came.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

PREFIX = "\0limedb/"
"""All keys that begin with it are reserved."""
END = "\0limedb0"
"""The first text behind all of them."""


class Keyed(Protocol):
    """Has a key."""

    @property
    def key(self) -> str:
        """The key."""


K = TypeVar("K", bound=Keyed)


def is_reserved(key: str) -> bool:
    """Whether a key is LimeDB's own."""
    return key.startswith(PREFIX)


def public_part(records: Sequence[K]) -> Sequence[K]:
    """The records that clients may see. In the order of their keys: then it mostly costs one comparison."""
    return records if not records or records[0].key >= END else public(records)


def public(records: Iterable[K]) -> list[K]:
    """The records that clients may see, in any order."""
    return [record for record in records if not record.key.startswith(PREFIX)]
