"""The form of a join token: the facts that a new node needs, in one word.

It owns the form. It must never be logged, stored or repeated.

A token holds the CA's certificate itself, not only its hash: so the new node never opens a connection that it
can't check. It also holds the address of the node that made it, the only one that accepts it.

Tested in tests/access/test_joining.py.
"""

import base64
import binascii
import json
import zlib
from dataclasses import astuple, dataclass, field

MARK = "limedb-join_"
"""Begins join tokens, so that scanners of leaked secrets find them."""
MAX_TOKEN = 16 << 10
MAX_CONTENT = 64 << 10


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A token. id: names its record. node_url: the node for which it is. address: host:port of the node that
    made it. ca: the CA that has issued that node's certificate, in PEM.
    """

    id: str
    secret: str = field(repr=False)
    node_url: str
    address: str
    ca: str

    @property
    def text(self) -> str:
        """The token as one word."""
        packed = zlib.compress(json.dumps(astuple(self)).encode(), 9)
        return MARK + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def join_token(text: str) -> JoinToken:
    """A token from its text. ValueError: the text isn't one; the error doesn't repeat it."""
    try:
        if not text.startswith(MARK) or len(text) > MAX_TOKEN:
            raise ValueError
        packed = text.removeprefix(MARK)
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(
            base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), MAX_CONTENT
        )
        fields = json.loads(content)
        if not isinstance(fields, list) or not all(isinstance(each, str) for each in fields):
            raise ValueError
        return JoinToken(*fields)
    except (ValueError, TypeError, binascii.Error, zlib.error, RecursionError):
        raise ValueError("it isn't a join token as `limedb admin token join` prints it") from None
