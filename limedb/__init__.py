"""LimeDB: a distributed key-value store.

The layers, from the outside in, are told in docs/architecture.md and held by import-linter.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limedb.client import connect, connect_sync

__all__ = ["__version__", "connect", "connect_sync"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 (what a module has)
    """The client's functions, loaded when first asked for: a node needs none of them."""
    if name in ("connect", "connect_sync"):
        from limedb import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
