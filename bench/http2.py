"""HTTP/2 by hand: as little as a load generator needs to send unary gRPC calls and to see which are answered.

Source: RFC 9113, and RFC 7541 for headers that are never indexed. A library in Python takes as much processor
time for a call as the node that serves it, so that it could never send three times what a node carries.
"""

import socket
from struct import Struct, pack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
CANCEL = pack(">I", 8)
WIDE = (1 << 31) - 1
HEAD = Struct(">HBBBI")
"""Length (16 bits and 8), kind, flags, stream."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    size = len(payload)
    return HEAD.pack(size >> 8, size & 255, kind, flags, stream) + payload


def _field(name: str, value: str) -> bytes:
    """A header that is never indexed; both parts shorter than 127 bytes."""
    return b"\0" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))


class Unary:
    """Makes the frames of calls of one method with one message."""

    def __init__(self, method: str, message: bytes) -> None:
        fields = {":method": "POST", ":scheme": "http", ":path": f"/{method}", ":authority": "localhost"}
        fields |= {"te": "trailers", "content-type": "application/grpc"}
        self._fields = b"".join(_field(name, value) for name, value in fields.items())
        self._body = b"\0" + pack(">I", len(message)) + message

    def frames(self, stream: int, timeout_ms: int) -> bytes:
        """A whole call."""
        block = self._fields + _field("grpc-timeout", f"{timeout_ms}m")
        return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, self._body)


class Connection:
    """A connection that doesn't block."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(
            PREFACE
            + frame(SETTINGS, 0, 0, pack(">HI", 4, WIDE))
            + frame(WINDOW_UPDATE, 0, 0, pack(">I", WIDE - 65535))
        )
        self.socket.setblocking(False)
        self.out = bytearray()
        self._in = bytearray()
        self.next_stream = 1
        self.is_closed = False

    def flush(self) -> None:
        """Send what the kernel takes."""
        while self.out:
            try:
                sent = self.socket.send(self.out)
            except BlockingIOError:
                return
            except OSError:
                self.is_closed = True
                return
            del self.out[:sent]

    def events(self) -> list[tuple[int, int, int]]:
        """What has come: kind, flags, stream of each frame that a caller cares for."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.is_closed = True
            return []
        self._in += data
        found, at, end = [], 0, len(self._in)
        while end - at >= 9:
            high, low, kind, flags, stream = HEAD.unpack_from(self._in, at)
            size = high << 8 | low
            if end - at < 9 + size:
                break
            if kind in (DATA, HEADERS, RST_STREAM):
                found.append((kind, flags, stream))
            else:
                self._answer(kind, flags, bytes(self._in[at + 9 : at + 9 + size]))
            at += 9 + size
        del self._in[:at]
        return found

    def _answer(self, kind: int, flags: int, payload: bytes) -> None:
        """Answer a frame of the connection, as far as it wants an answer."""
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.out += frame(kind, ACK, 0, payload if kind == PING else b"")
        elif kind == GOAWAY:
            self.is_closed = True
