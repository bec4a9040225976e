"""Single requests as bytes, for the paced load: a unary gRPC call over HTTP/2, and a command of Redis.

Pure: bytes in, bytes and decisions out. One connection; requests are numbered from 0. A wire knows as much of
its protocol as a benchmark on loopback needs, and raises ProtocolError on anything else.
"""

import struct
from typing import Protocol

_STREAMS = 100  # under way at once, as gRPC's own clients have it by default


class ProtocolError(Exception):
    """The server sent something that a benchmark doesn't expect, or another answer than the first one."""


class Wire(Protocol):
    """One connection."""

    def opening(self) -> bytes:
        """Return the bytes to send first."""
        ...

    def has_room(self) -> bool:
        """Return whether one more request may be sent now."""
        ...

    def request(self) -> bytes:
        """Return the bytes of the next request."""
        ...

    def receive(self, data: bytes) -> tuple[list[int], bytes]:
        """Return the numbers of the requests that these bytes complete, and the bytes to send in return."""
        ...


class RespWire:
    """Redis: answers come in the order of the requests, all of them alike. answer: what each must be."""

    def __init__(self, command: bytes, answer: bytes) -> None:
        self._command, self._answer = command, answer
        self._sent = self._done = 0
        self._rest = b""

    def opening(self) -> bytes:
        return b""

    def has_room(self) -> bool:
        return self._sent - self._done < _STREAMS

    def request(self) -> bytes:
        self._sent += 1
        return self._command

    def receive(self, data: bytes) -> tuple[list[int], bytes]:
        data = self._rest + data
        count = len(data) // len(self._answer)
        whole = count * len(self._answer)
        if data[:whole] != self._answer * count:
            raise ProtocolError(f"{data[:200]!r} instead of {self._answer!r}")
        self._rest = data[whole:]
        first, self._done = self._done, self._done + count
        return list(range(first, self._done)), b""


_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_LARGEST_WINDOW = (1 << 31) - 1
_FIRST_WINDOW = (1 << 16) - 1  # RFC 9113, 6.9.2
_INITIAL_WINDOW_SIZE = 4


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field without indexing (RFC 7541, 6.2.2)."""
    return b"\0" + _short(name) + _short(value)


def _short(text: bytes) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text


class GrpcWire:
    """gRPC: a stream for each call. An answer without a message is a failure: ProtocolError."""

    def __init__(self, method: str, message: bytes) -> None:
        self._headers = b"\x83\x86" + b"".join(  # :method POST, :scheme http
            _literal(name, value)
            for name, value in (
                (b":path", b"/" + method.encode()),
                (b":authority", b"localhost"),
                (b"content-type", b"application/grpc"),
                (b"te", b"trailers"),
            )
        )
        self._body = b"\0" + len(message).to_bytes(4, "big") + message
        self._window = _FIRST_WINDOW
        self._sent = 0
        self._under_way: dict[int, int] = {}  # bytes answered so far, by stream
        self._rest = bytearray()

    def opening(self) -> bytes:
        settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE, _LARGEST_WINDOW)
        more = struct.pack(">I", _LARGEST_WINDOW - _FIRST_WINDOW)
        return _PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, more)

    def has_room(self) -> bool:
        return len(self._under_way) < _STREAMS and self._window >= len(self._body)

    def request(self) -> bytes:
        stream = 2 * self._sent + 1
        self._sent += 1
        self._under_way[stream] = 0
        self._window -= len(self._body)
        headers = _frame(_HEADERS, _END_HEADERS, stream, self._headers)
        return headers + _frame(_DATA, _END_STREAM, stream, self._body)

    def receive(self, data: bytes) -> tuple[list[int], bytes]:
        self._rest += data
        done: list[int] = []
        reply = b""
        at, end = 0, len(self._rest)
        while end - at >= 9 and end - at >= 9 + (size := int.from_bytes(self._rest[at : at + 3], "big")):
            kind, flags, stream = struct.unpack_from(">BBI", self._rest, at + 3)
            reply += self._take(kind, flags, stream, bytes(self._rest[at + 9 : at + 9 + size]), done)
            at += 9 + size
        del self._rest[:at]
        return done, reply

    def _take(self, kind: int, flags: int, stream: int, payload: bytes, done: list[int]) -> bytes:
        """Act on a frame; return the bytes to send in return."""
        if kind in (_DATA, _HEADERS):
            self._take_answer(kind, flags, stream, payload, done)
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            return _frame(kind, _ACK, 0, payload if kind == _PING else b"")
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind in (_RST_STREAM, _GOAWAY):
            raise ProtocolError(f"the server gave up: frame {kind}, {payload!r}")
        return b""

    def _take_answer(self, kind: int, flags: int, stream: int, payload: bytes, done: list[int]) -> None:
        if kind == _DATA:
            self._under_way[stream] += len(payload)
        if flags & _END_STREAM:
            if not self._under_way.pop(stream):
                raise ProtocolError("a call failed: its answer has no message")
            done.append(stream // 2)
