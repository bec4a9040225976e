"""Refusals because a node, or one of its clients, already has too much.

Tested in tests/errors/test_copies.py.
"""

from limedb.errors.base import LimeDBError


class TooManyWatchesError(LimeDBError, nothing_written=True, may_pass=True):
    """A node serves no more watches. Attributes: whose (of this node, or of one connection), limit."""

    retry_seconds = 1.0

    def __init__(self, whose: str, limit: int) -> None:
        super().__init__(
            f"{whose} has {limit} watches already, the most that are allowed: end some, watch a prefix in"
            " place of many keys, or ask another node"
        )
        self.whose, self.limit = whose, limit


class OverloadedError(LimeDBError, nothing_written=True, may_pass=True):
    """The node has no room left for a request; nothing was done. Attributes: share (what the room is for),
    size (that it needed), held and limit (of that share), in bytes or in `unit`.
    """

    retry_seconds = 1.0

    def __init__(self, share: str, size: int, held: int, limit: int, unit: str = "bytes") -> None:
        full = (
            f"the node's memory for {share} is full" if unit == "bytes" else f"the node has too many {share}"
        )
        super().__init__(
            f"{full}: {held} of {limit} {unit} are held, {size} more were needed; nothing was written. Try"
            f" again in a moment{_REMEDIES.get(unit, '')}"
        )
        self.share, self.size, self.held, self.limit = share, size, held, limit


_REMEDIES = {
    "bytes": ", send or ask for less at once and read the answers, or raise MAX_MEMORY",
    "calls": ", send fewer at once, or ask another node",
    "requests": ", and send large requests one after another",
    "lookups": ": many callers show tokens that this node doesn't know yet",
}
"""How the text of an OverloadedError ends, by its unit."""


class LimitExceededError(LimeDBError, nothing_written=True, may_pass=True):
    """This client has as much as it may have at a node; nothing was done. Attributes: whose (a user, or an
    address), setting (the one that has the limit), limit, retry_seconds.
    """

    retry_seconds = 1.0

    def __init__(self, whose: str, setting: str, limit: int, what: str, retry_seconds: float = 1.0) -> None:
        super().__init__(
            f"{whose} may have {limit} {what} at this node ({setting}), and has; nothing was written. Try"
            f" again in {retry_seconds:.3g} s"
        )
        self.whose, self.setting, self.limit = whose, setting, limit
        self.retry_seconds = retry_seconds
