"""The details of one key, as lines: its value's size and life, and its owners' versions. It must never call
anything.

Tested in tests/tui/test_values.py.
"""

from collections.abc import Sequence

from limedb.operator.console_values import Owner
from limedb.tui.figures import Cell, Line, clip, seconds, short, size
from limedb.tui.values import View


def caption(value: str | bytes, view: View, expires_at: int, now_ms: int) -> str:
    """Return the view of a value, its size, and the time until it expires."""
    length = len(value if isinstance(value, bytes) else value.encode())
    kind = "bytes" if isinstance(value, bytes) else "text"
    life = f", expires in {seconds(max(0.0, (expires_at - now_ms) / 1000))}" if expires_at else ""
    return f"{kind} of {size(length)}, as {view.value}{life}"


def replicas(owners: Sequence[Owner], width: int) -> list[Line]:
    """Return a line of `width` characters for each owner of a key: whether it has the newest version."""
    newest = max((owner.version for owner in owners), default=0)
    held = [_holds(owner, newest) for owner in owners]
    label = max(8, width - 1 - max((len(cell.text) for cell in held), default=0))
    label = min(label, max((len(_name(owner)) for owner in owners), default=0))
    return [
        (Cell(clip(_name(owner), label).ljust(label + 1)), cell)
        for owner, cell in zip(owners, held, strict=True)
    ]


def _name(owner: Owner) -> str:
    return short(owner.url) + (" (extra)" if owner.role == "extra" else "")


def _holds(owner: Owner, newest: int) -> Cell:
    if owner.error:
        return Cell("no answer", "bad")
    if not owner.version:
        return Cell("has nothing", "warn" if newest else "dim")
    if owner.version < newest:
        return Cell(f"older v{owner.version}", "warn")
    return Cell(f"{'deleted' if owner.is_tombstone else 'holds'} v{owner.version}", "good")
