"""The end of a failed stream over REST: a line with the error, and a broken connection.

Envoy makes each message of a stream a line of JSON. At HTTP/1.1 it drops the status that ends the stream, so
that half of a scan would look like a whole one. So the last line is an `error`, and then comes an invalid
message: the transcoder fails on it and resets the stream, and the client's library reports a broken transfer.
A client of HTTP/2 that reads slowly may see the reset without the line.

Tested in tests/scenarios/test_stopping.py.
"""

import grpc

HEADER = "x-limedb-rest"
"""Envoy adds it to transcoded calls, and removes it from clients' headers."""
NO_MESSAGE = b"\x0f"
"""A field of wire type 7, which protobuf does not have."""
BREAK_SECONDS = 0.1
"""The time for the error's line to pass Envoy before the reset."""


def is_rest(context: "grpc.aio.ServicerContext[bytes, bytes]") -> bool:
    """Return whether a call was REST."""
    return any(name == HEADER for name, _ in context.invocation_metadata() or ())
