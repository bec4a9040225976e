"""Envoy's own answers.

It owns the gRPC codes and the texts of these answers. It must never decide when Envoy answers: the template
does.

Envoy's response flags show how far a request came (RESPONSE_FLAGS in Envoy's documentation of access logs).
They add up over attempts, so flags that mean that a node may have carried it out come first.

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
"""The same codes in the Connect protocol's names."""

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

NO_NODE_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>No node answers · LimeDB</title>
<main>
<h1>No node of this cluster answers</h1>
<p>Envoy runs here, but it reached no node: %LOCAL_REPLY_BODY%.</p>
<p>On the machine of the cluster, <code>limedb cluster status</code> shows which nodes run,
<code>limedb cluster logs</code> why one doesn't, and <code>limedb cluster start</code> starts them.</p>
<p><a href="">Try again</a></p>
</main>
</html>
"""
"""What a browser shows in place of a page of the dashboard; it may have no style and no script of its own."""

UNKNOWN_METHOD = rest.details_of(UnsupportedError("method", "Envoy publishes no such call"))
"""Of the answer to a gRPC call of a method that Envoy doesn't publish: UNIMPLEMENTED, as in gRPC.
Clients in Go show the text of the details, and not the one beside them.
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """A refusal that Envoy marks with its name, since its HTTP status has several reasons."""

    status: int
    details: rest.Details


def replies(unknown_node: str) -> dict[str, Reply]:
    """Return these refusals by their marks. unknown_node: the text that names the nodes."""
    return {
        "unknown-node": Reply(404, rest.details_of(UnknownNodeError(unknown_node))),
        "unknown-host": Reply(403, rest.details_of(UnknownHostError())),
        "foreign-origin": Reply(403, rest.details_of(ForeignOriginError())),
    }


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


@dataclass(frozen=True, slots=True)
class Wordless:
    """An answer that Envoy gives without a text.

    cause: %RESPONSE_CODE_DETAILS%. status: the one that it gets. words: ours; a % is written twice.
    """

    cause: str
    status: int
    words: str
    details: rest.Details = _REFUSAL

    @property
    def code(self) -> int:
        """Its gRPC code."""
        return CODES[self.status]


def _unsupported(what: str) -> rest.Details:
    return rest.details_of(UnsupportedError(what, ""))


WORDLESS = (
    Wordless("missing_host_header", 400, "HTTP/1.1 needs the header Host"),
    Wordless("http.invalid_authority", 400, "the header Host must be a name or an address"),
    Wordless("absolute_path_rejected", 404, UNKNOWN_PATH, DETAILS[404]),
    Wordless("path_normalization_failed", 400, "a path has no #: send it as %%23"),
    Wordless(
        "http1.codec_error",
        400,
        "this is not HTTP/1.1: a path begins with /, has no blanks, and bytes other than ASCII as %%XX;"
        " a header is name: value; Content-Length is a whole number",
    ),
    Wordless("http1.invalid_characters", 400, "a header holds a control character"),
    Wordless("http1.invalid_url", 400, "the path is invalid"),
    Wordless(
        "http1.content_length_and_chunked_not_allowed",
        400,
        "give Content-Length or Transfer-Encoding, not both",
    ),
    Wordless(
        "http1.invalid_transfer_encoding",
        501,
        "Transfer-Encoding may be chunked, and nothing else",
        _unsupported("transfer-encoding"),
    ),
    Wordless("http1.headers_too_large", 431, "the path and the headers may have 32 KiB together"),
    Wordless("http1.too_many_headers", 431, "a request may have 100 headers"),
    Wordless(
        "query_missing_content_type",
        501,
        "no path takes QUERY: docs/rest.md lists the methods",
        _unsupported("method"),
    ),
    Wordless("route_not_found", 501, "Envoy doesn't CONNECT to other addresses", _unsupported("method")),
    Wordless(
        "upgrade_failed",
        400,
        "leave out the header Upgrade: Envoy takes HTTP/1.1 and HTTP/2, and no WebSockets",
    ),
)
"""By their causes."""
