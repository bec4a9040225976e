"""LimeDB: a distributed key-value store.

async with limedb.connect("node1:8484,node2:8484") as db:
        await db.set("greeting", "hello")

Applications use `connect`, `connect_sync`, and the errors in limedb.errors. docs/architecture.md draws the
layers, which import-linter enforces.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limedb.client import connect, connect_sync

__all__ = ["__version__", "connect", "connect_sync"]

__version__ = "0.2.0"
"""The only place of the version: pyproject.toml reads it, and status, gossip and `limedb --version`
show it.
"""


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module's attribute)
    """The client's functions, loaded at first use: a node needs none of them."""
    if name in ("connect", "connect_sync"):
        from limedb import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """All names, including those not loaded yet, so that `help` and completion show them."""
    return sorted({*globals(), *__all__})
