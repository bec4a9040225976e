"""The gossip of a node about the others, as lines. It must never call anything.

Tested in tests/tui/test_tables.py.
"""

from limedb.operator.console_values import Gossip, PeerGossip
from limedb.tui.figures import Cell, Line, Tone, clip, seconds, short
from limedb.tui.nodes import CONDITION_TONES

_HEALTH: dict[str, Tone] = {"healthy": "good", "degraded": "warn", "critical": "bad"}


def lines(gossip: Gossip, width: int) -> list[Line]:
    """Return a summary and a line for each peer, of `width` characters."""
    summary = (
        Cell(gossip.health, _HEALTH.get(gossip.health, "")),
        Cell(
            f" beat {gossip.heartbeat}, lag {seconds(gossip.average_lag)} max {seconds(gossip.max_lag)}",
            "dim",
        ),
    )
    return [summary, *(_peer(peer, max(8, width - 20)) for peer in gossip.peers)]


def _peer(peer: PeerGossip, label: int) -> Line:
    return (
        Cell(clip(short(peer.url), label).ljust(label + 1)),
        Cell(f"{peer.status:<7}", CONDITION_TONES.get(peer.status, "dim")),
        Cell(f"{seconds(peer.lag):>5}"),
        Cell(f"{peer.heartbeat:>7}", "dim"),
    )
