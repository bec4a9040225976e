"""How a node opens a channel to another: without TLS, or with TLS on both sides.

It owns the port to dial, the certificate to show, and the name that the other node's certificate must have.
It must never decide which node to dial.
"""

import asyncio
import logging
from typing import Protocol

import grpc
from typing_extensions import override

from limedb.rpc.caller import HEADER
from limedb.tls.diagnosis import why
from limedb.tls.names import node_name
from limedb.tls.serving import Keys
from limedb.tls.target import ClientTls, Target
from limedb.wire.channels import CHANNEL_OPTIONS

log = logging.getLogger(__name__)

Metadata = tuple[tuple[str, bytes], ...]


class Dialling(Protocol):
    """Opens channels. metadata: of the calls on them, besides the metadata of each link."""

    metadata: Metadata

    @property
    def shown(self) -> bytes:
        """The certificate that a channel shows which is opened now, in PEM; empty: none."""

    def open(self, node_url: str, address: str) -> grpc.aio.Channel:
        """A channel to the node of that name, whose clients dial that address (host:port). With TLS it shows
        the certificate of this moment as long as it lasts: a link opens another once its peer can't be
        reached.
        """

    async def why(self, node_url: str, address: str) -> str:
        """Why the connection failed; empty: nothing is known."""


class InTheClear(Dialling):
    """Without TLS."""

    metadata: Metadata = ()
    shown = b""

    @override
    def open(self, node_url: str, address: str) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(address, CHANNEL_OPTIONS)

    @override
    async def why(self, node_url: str, address: str) -> str:
        return ""


class MutualTls(Dialling):
    """With TLS, at the port for peers. tls: the files of `keys`. own_url: this node. offset: of that port."""

    def __init__(self, keys: Keys, tls: ClientTls, own_url: str, offset: int) -> None:
        self._keys, self._tls, self._offset = keys, tls, offset
        self.metadata = ((HEADER, own_url.encode()),)
        self._logged: dict[str, str] = {}

    @property
    @override
    def shown(self) -> bytes:
        return self._keys.current.cert

    @override
    def open(self, node_url: str, address: str) -> grpc.aio.Channel:
        pems = self._keys.current
        credentials = grpc.ssl_channel_credentials(pems.ca, pems.key, pems.cert)
        # The certificate must name the node, wherever it answers: an address proves nothing.
        expected = ("grpc.ssl_target_name_override", node_name(node_url))
        return grpc.aio.secure_channel(
            peer_address(address, self._offset), credentials, (*CHANNEL_OPTIONS, expected)
        )

    @override
    async def why(self, node_url: str, address: str) -> str:
        target = Target(peer_address(address, self._offset), self._tls)
        reason = await asyncio.to_thread(why, target, node_name(node_url))
        if reason != self._logged.get(node_url, ""):
            self._logged[node_url] = reason
            if reason:
                log.warning("%s can't be called at %s: %s", node_url, target, reason)
        return reason


def peer_address(address: str, offset: int) -> str:
    """host:port for peers of a node that clients reach at an address."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + offset}"
