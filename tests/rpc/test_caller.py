"""Whom a node takes a caller for. All RPCs and real certificates: tests/tls/test_peer_rules.py."""

from collections.abc import Sequence
from typing import Any

import pytest

from limedb.errors import PeersOnlyError
from limedb.rpc.caller import HEADER, NAMES, check_caller
from limedb.tls.names import node_name

A, B = "http://node1:8484", "http://node2:8484"


class Call:
    """A call on a connection. proven: the DNS names in the caller's certificate."""

    def __init__(self, proven: Sequence[str], *claims: bytes | str) -> None:
        self._proven, self._claims = proven, claims

    def auth_context(self) -> dict[str, list[bytes]]:
        return {NAMES: [name.encode() for name in self._proven]} if self._proven else {}

    def invocation_metadata(self) -> list[tuple[str, bytes | str]]:
        return [("x", "y"), *((HEADER, claim) for claim in self._claims)]


def check(proven: Sequence[str], *claims: bytes | str) -> None:
    call: Any = Call(proven, *claims)
    check_caller(call)


def test_a_node_is_whom_its_certificate_names() -> None:
    check([node_name(A)], A.encode())
    check(["node1", node_name(A).upper()], A.encode())


@pytest.mark.parametrize(
    ("proven", "claims", "words"),
    [
        ((), (A.encode(),), "no certificate of a node"),
        (("node1",), (A.encode(),), "no certificate of a node"),
        ((f"{node_name(A)}.example.com",), (A.encode(),), "no certificate of a node"),
        ((node_name(A),), (), "claims to be"),
        ((node_name(A),), (B.encode(),), "claims to be"),
        ((node_name(A),), (B.encode(), A.encode()), "claims to be"),
        ((node_name(A),), (A,), "claims to be"),
        ((node_name(A),), (b"\xff\xfe",), "claims to be"),
        ((node_name(A),), (b"http://[::g]:1",), "claims to be"),
        (("*.node1.node.limedb.internal",), (A.encode(),), "claims to be"),
    ],
)
def test_everybody_else_is_refused(proven: Sequence[str], claims: Sequence[bytes], words: str) -> None:
    with pytest.raises(PeersOnlyError, match=words):
        check(proven, *claims)
