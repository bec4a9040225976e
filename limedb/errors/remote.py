"""The errors that peers report, and the classes by their reason.

Tested in tests/errors/test_copies.py.
"""

from collections.abc import Mapping

from limedb.errors import base, callers, leases, limits, requests, starting, stores, unavailable
from limedb.errors.base import LimeDBError


class RemoteError(LimeDBError):
    """A peer's own error, passed on: it has the attributes of the class that the peer raised, by its reason.

    Attributes: node_url, reason, code (gRPC's name), text (the peer's), facts (of that class, as texts).
    """

    def __init__(
        self, node_url: str, reason: str, code: str, text: str, facts: "Mapping[str, str] | None" = None
    ) -> None:
        super().__init__(f"node {node_url}: {text}")
        self.node_url, self.reason, self.code = node_url, reason, code
        self.text, self.facts = text, facts or {}
        known = CLASSES.get(reason, LimeDBError)
        self.nothing_written, self.too_large = known.nothing_written, known.too_large
        self.may_pass = known.may_pass if reason in CLASSES else code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


_MODULES = (base, starting, requests, callers, unavailable, limits, leases, stores)
CLASSES: dict[str, type[LimeDBError]] = {
    found.reason: found
    for module in _MODULES
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, LimeDBError)
}
"""The classes by reason."""
