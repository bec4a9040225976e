"""The condition of a node for people, and whether its figures are known.

It owns the one rule of all faces. It must never ask a node or a clock.

Tested in tests/core/test_conditions.py.
"""


def condition(status: str, reachable: bool) -> str:
    """Return active, stale, unreachable, dead or unknown. status: by gossip; empty: never heard of.
    reachable: whether the answering node can reach it: links notice a loss long before gossip does.
    """
    if status in ("", "dead"):
        return status or "unknown"
    return status if reachable else "unreachable"


def is_known(status: str, reachable: bool) -> bool:
    """Return whether the last figures of a node are those of now."""
    return condition(status, reachable) in ("active", "stale")
