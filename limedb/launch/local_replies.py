"""Envoy's own answers.

It owns the gRPC codes and the texts of these answers. It must never decide when Envoy answers: the template
does.

Envoy's response flags show how far a request came (RESPONSE_FLAGS in Envoy's documentation of access logs).
They add up over attempts, so the flags come first by which a node may have carried it out.

Tested in tests/envoy/test_failures.py.
"""

from dataclasses import dataclass

from limedb.errors import (
    ForeignOriginError,
    InvalidRequestError,
    RequestTooLargeError,
    UnavailableError,
    UnknownHostError,
    UnknownNodeError,
    UnknownPathError,
    UnsupportedError,
)
from limedb.wire import rest
from limedb.wire.status import name_of

CODES = {
    400: 3, 403: 7, 404: 5, 405: 12, 408: 4, 413: 8, 415: 3, 429: 8, 431: 8,
    500: 13, 501: 12, 502: 14, 503: 14, 504: 4,
}  # fmt: skip
"""The gRPC code in the body, by HTTP status."""

CONNECT_CODES = {status: name_of(code).lower() for status, code in CODES.items()}
"""The same as the Connect protocol names them."""

_UNSENT = UnavailableError("Envoy reached no node, nothing was written")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a request that no node answered.

    flags: Envoy's response flags, one of which it has. details: None: nothing is certain.
    """

    flags: tuple[str, ...]
    words: str
    details: rest.Details | None


OUTCOMES = (
    Outcome(
        ("UC", "UR", "LR", "UT", "SI", "UMSDR", "DPE", "UPE"),
        "a node took the request and its answer was lost: its writes may or may not have been carried out",
        None,
    ),
    Outcome(("UF", "UH", "UO", "NC"), str(_UNSENT), rest.details_of(_UNSENT)),
)

UNKNOWN_METHOD = rest.details_of(UnsupportedError("method", ""))
"""Of the answer to a gRPC call of a method that Envoy doesn't publish: UNIMPLEMENTED, as gRPC has it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A refusal that Envoy marks with its name, since its HTTP status has several reasons."""

    status: int
    details: rest.Details


REPLIES = {
    "unknown-node": Reply(404, rest.details_of(UnknownNodeError(""))),
    "unknown-host": Reply(403, rest.details_of(UnknownHostError())),
    "foreign-origin": Reply(403, rest.details_of(ForeignOriginError())),
}
"""By their marks."""

_REFUSAL = rest.details_of(InvalidRequestError(""))
DETAILS = {
    400: _REFUSAL,
    404: rest.details_of(UnknownPathError("")),
    405: _REFUSAL,
    413: rest.details_of(RequestTooLargeError("")),
    415: _REFUSAL,
    431: _REFUSAL,
    501: rest.details_of(UnsupportedError("content-encoding", "")),
}
"""By HTTP status, where Envoy refuses a request before any node has it."""

UNKNOWN_PATH = "unknown path: docs/rest.md lists those of REST, docs/languages.md the others"

WORDLESS = (
    ("missing_host_header", 400, "HTTP/1.1 needs the header Host"),
    ("absolute_path_rejected", 404, UNKNOWN_PATH),
)
"""Answers of Envoy without a text: their cause (%RESPONSE_CODE_DETAILS%), the status, and our text."""
