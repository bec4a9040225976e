"""Keys that are nobody else's, and keys of a chosen owner."""

import itertools
import uuid
from collections.abc import Iterable

from limedb.core.ring import Ring, token_of


def new_key(prefix: str = "k") -> str:
    """A key that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex}"


def new_key_of(owner: str, urls: Iterable[str], virtual_nodes: int = 256) -> str:
    """A new key that a node owns, in a ring of these nodes."""
    ring = Ring(urls, virtual_nodes)
    return next(key for key in (new_key() for _ in itertools.count()) if ring.owner(token_of(key)) == owner)
