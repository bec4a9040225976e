"""HTTP/2 as a client without manners speaks it: frames by hand, windows of its own choice.

It owns the few frames that floods are made of. Source: RFC 9113, and RFC 7541 for headers that are never
indexed.
"""

import socket
from struct import pack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, END_HEADERS = 1, 4
INITIAL_WINDOW = 4
"""The setting that says how much a stream may send before it is read."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return pack(">I", len(payload))[1:] + bytes((kind, flags)) + pack(">I", stream) + payload


def header_block(path: str, more: dict[str, str] | None = None) -> bytes:
    """The headers of a gRPC call. more: others, or other values; an empty one leaves the header out."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost"}
    fields |= {"te": "trailers", "content-type": "application/grpc"} | (more or {})
    fields = {name: value for name, value in fields.items() if value}
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())


def message(data: bytes) -> bytes:
    """A gRPC message."""
    return b"\0" + pack(">I", len(data)) + data


def call(stream: int, block: bytes, data: bytes) -> bytes:
    """A whole unary call of a small message."""
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, message(data))


def connected(address: str, window: int) -> socket.socket:
    """A connection whose streams take `window` bytes each and no more, since nothing is ever read."""
    host, _, port = address.rpartition(":")
    link = socket.create_connection((host, int(port)), timeout=20)
    settings = pack(">HI", INITIAL_WINDOW, window)
    # The connection's own window is opened wide: only the streams' windows are shut.
    link.sendall(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, pack(">I", 1 << 30)))
    link.sendall(frame(SETTINGS, 1, 0))
    return link


def _text(value: str) -> bytes:
    data = value.encode()
    length = bytes((len(data),)) if len(data) < 127 else b"\x7f" + _varint(len(data) - 127)
    return length + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
