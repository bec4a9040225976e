"""Callers with certificates: which of them were revoked, and the users that they name.

It knows which connection showed which certificate, if calls came on it, and closes connections whose
certificate was revoked. It must never look at a header: nobody can claim a certificate.

gRPC for Python can't refuse a revoked certificate in the handshake. So the node refuses each call of its
holder before it reads the message, and closes the connection within LOOK_SECONDS; when the list changes, it
also closes existing connections, with all that runs on them.

Tested in tests/tls/test_revoking.py.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any

import grpc

from limedb.errors import PeersOnlyError, UnauthenticatedError
from limedb.rpc.caller import check_caller
from limedb.rpc.server.connections import connected, end_from
from limedb.tls.presented import Presented, presented_by
from limedb.tls.revocation import Revocations

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
MOST_KEPT = 10_000
"""The most connections to remember; beyond that it forgets those that are closed."""

Call = grpc.aio.ServicerContext[Any, Any]


class Certified:
    """The callers of a node at some ports. revocations: None: no certificate is ever revoked. is_of_peers:
    whether a certificate (PEM) comes from a CA of nodes.
    """

    def __init__(
        self,
        ports: Collection[int],
        revocations: Revocations | None,
        is_of_peers: Callable[[bytes], bool] = lambda _pem: True,
    ) -> None:
        self._ports, self._revocations, self._is_of_peers = ports, revocations, is_of_peers
        self._by_peer: dict[str, Presented] = {}
        self._refused: set[str] = set()
        if revocations is not None:
            revocations.on_change = self._look_again

    def check_node(self, context: Call) -> None:
        """PeersOnlyError: the caller isn't the node that it claims to be, or its certificate was revoked."""
        check_caller(context, self._is_of_peers)
        if self._revoked(context):
            raise PeersOnlyError("", "the caller's certificate was revoked")

    def check(self, context: Call) -> None:
        """UnauthenticatedError: the caller's certificate was revoked."""
        if self._revoked(context):
            raise UnauthenticatedError("revoked")

    def user_of(self, context: Call) -> str:
        """The user that the caller's certificate names; empty: none. UnauthenticatedError: it was revoked."""
        self.check(context)
        shown = presented_by(context)
        return shown.user if shown is not None else ""

    async def run(self) -> None:
        """Close the connections of refused callers, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._refused:
                refused, self._refused = self._refused, set()
                ended = end_from(self._ports, refused)
                log.warning("%d connections were ended: their certificates were revoked", ended)
            if len(self._by_peer) > MOST_KEPT:
                there = connected(self._ports)
                self._by_peer = {peer: shown for peer, shown in self._by_peer.items() if peer in there}

    def _revoked(self, context: Call) -> bool:
        if self._revocations is None or (shown := presented_by(context)) is None:
            return False
        peer = context.peer()
        self._by_peer[peer] = shown
        is_revoked = self._revocations.has(shown)
        if is_revoked:
            self._refused.add(peer)
        return is_revoked

    def _look_again(self) -> None:
        """The list has changed."""
        has = self._revocations.has if self._revocations else lambda _shown: False
        self._refused |= {peer for peer, shown in self._by_peer.items() if has(shown)}
