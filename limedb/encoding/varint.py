"""Pieces of protobuf's wire format, written by hand where making messages costs too much.

It owns the encoding of a piece. It must never know of a message. Code that joins pieces has a test that
compares every byte with protobuf's output. Encoding: https://protobuf.dev/programming-guides/encoding/
"""

from functools import lru_cache

_SMALL = [bytes((n,)) for n in range(128)]


def varint(number: int) -> bytes:
    """A length, or another number from 0 on, as protobuf writes it."""
    if number < 128:
        return _SMALL[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


@lru_cache(maxsize=4096)
def head(tag: bytes, size: int) -> bytes:
    """The tag of a field and the length of its bytes."""
    return tag + varint(size)
