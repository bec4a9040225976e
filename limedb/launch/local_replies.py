"""Envoy's own answers.

It owns the gRPC codes and the texts of these answers. It must never decide when Envoy answers: the template
does.

Envoy's response flags show how far a request came (RESPONSE_FLAGS in Envoy's documentation of access logs).
They add up over attempts, so the flags come first by which a node may have carried it out.

Tested in tests/envoy/test_failures.py.
"""

from dataclasses import dataclass

from limedb.errors import UnavailableError
from limedb.wire import rest

CODES = {
    400: 3, 403: 7, 404: 5, 405: 12, 408: 4, 413: 8, 415: 3, 429: 8, 431: 8,
    500: 13, 501: 12, 502: 14, 503: 14, 504: 4,
}  # fmt: skip
"""The gRPC code in the body, by HTTP status."""

_UNSENT = UnavailableError("Envoy reached no node, nothing was written")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a request that no node answered.

    flags: Envoy's response flags, one of which it has.
    details: as JSON.
    trailer: the same for gRPC, in base64; "" if there is none.
    """

    flags: tuple[str, ...]
    words: str
    details: list[dict[str, object]]
    trailer: str


OUTCOMES = (
    Outcome(
        ("UC", "UR", "LR", "UT", "SI", "UMSDR", "DPE", "UPE"),
        "a node took the request and its answer was lost: its writes may or may not have been carried out",
        [],
        "",
    ),
    Outcome(("UF", "UH", "UO", "NC"), str(_UNSENT), *rest.details_of(_UNSENT)),
)
