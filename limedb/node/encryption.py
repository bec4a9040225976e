"""The ports and calls of a node, made from its settings of TLS.

It owns the choice: one port without TLS, or TLS for clients, and mutual TLS for nodes on a port of their own.
It must never read a file itself: the keyrings do.

Tested in tests/tls/test_nodes.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

from limedb.access.joining import Signer
from limedb.config import Config
from limedb.core.exposure import Entrance, is_loopback
from limedb.core.problems import Problem
from limedb.errors import ConfigError, PeersOnlyError
from limedb.rpc.caller import claimed_by
from limedb.rpc.peer.dialling import Dialling, InTheClear, MutualTls
from limedb.rpc.peer.links import PeerLinks
from limedb.rpc.server.behaviour import Check, Context
from limedb.rpc.server.certified import Certified
from limedb.rpc.server.server import Listener, check_nothing, listen_addresses
from limedb.tls.keyring import LOOK_SECONDS, Keyring
from limedb.tls.paths import paths_of
from limedb.tls.presented import is_issued, read
from limedb.tls.revocation import Revocations
from limedb.tls.serving import server_credentials


class Encryption:
    """The TLS of a node. ConfigError: a setting or a file can't be used."""

    def __init__(self, config: Config) -> None:
        self._config = config
        clients, peers = paths_of(config)
        self._peers = Keyring(peers, config.node_url) if peers else None
        self._clients = self._peers if clients == peers else None
        if clients and self._clients is None:
            self._clients = Keyring(clients)
        self._revocations = self._read_revocations()
        self._certified = Certified(self.ports, self._revocations, self._is_of_peers)

    def listeners(self) -> list[Listener]:
        """Where the node listens."""
        config, keys = self._config, self._clients
        clients = [
            Listener(address, server_credentials(keys, self._asks_clients) if keys else None)
            for address in self._addresses(config.server_port)
        ]
        if self._peers is None:
            return clients
        return clients + [
            Listener(address, server_credentials(self._peers, True), "PEER_PORT_OFFSET")
            for address in self._addresses(config.peer_port)
        ]

    @property
    def entrances(self) -> list[Entrance]:
        """The same places, as the rule for those beyond loopback judges them."""
        config = self._config
        asks = config.auth == "required" or self._asks_clients
        found = [
            Entrance(address, self._clients is not None, asks)
            for address in self._addresses(config.server_port)
        ]
        if self._peers is None:
            return found
        return found + [Entrance(address, True, True) for address in self._addresses(config.peer_port)]

    @property
    def _asks_clients(self) -> bool:
        """Whether clients need a certificate."""
        return self._config.tls_client_cert == "required"

    def _addresses(self, port: int) -> list[str]:
        config = self._config
        is_local = is_loopback(config.host) and is_loopback(config.advertised_host)
        return listen_addresses(config.host, port, is_local)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that it listens on."""
        own = self._config.server_port
        return (own,) if self._peers is None else (own, self._config.peer_port)

    def dialling(self) -> Dialling:
        """How it opens channels to other nodes."""
        config = self._config
        if self._peers is None:
            return InTheClear()
        return MutualTls(self._peers, self._peers.paths.for_calls, config.node_url, config.peer_port_offset)

    @property
    def check_caller(self) -> Check:
        """The check of each call of a peer service."""
        return check_nothing if self._peers is None else self._certified.check_node

    @property
    def check_client(self) -> Check:
        """The check of each call of all other services."""
        is_needed = self._asks_clients and self._revocations is not None
        return self._certified.check if is_needed else check_nothing

    def caller_of(self, context: Context) -> str:
        """The URL of the calling node, which `check_caller` has let in; empty: nodes prove nothing."""
        return claimed_by(context) if self.proves_nodes else ""

    @property
    def proves_nodes(self) -> bool:
        """Whether nodes prove their names by certificates."""
        return self._peers is not None

    def is_node(self, context: Context) -> bool:
        """Whether the caller proves that it is a node."""
        try:
            self.check_caller(context)
        except PeersOnlyError:
            return False
        return self.proves_nodes

    def user_of(self, context: Context) -> str:
        """The user that the caller's certificate names; empty: none. UnauthenticatedError: it was revoked."""
        return self._certified.user_of(context) if self.proves_nodes else ""

    def problems(self) -> Iterator[Problem]:
        """The problems of the certificates, and of the list of revoked ones."""
        for keyring in self._keyrings.values():
            yield from keyring.problems()
        if self._revocations is not None:
            yield from self._revocations.problems()

    def days_left(self) -> Mapping[str, float]:
        """The days until each certificate expires: that for clients, and that for peers."""
        return {name: keyring.days_left for name, keyring in self._keyrings.items()}

    async def renew(self, links: PeerLinks) -> None:
        """Renew links whose certificate was revoked, until cancelled."""
        while self._revocations is not None:
            await asyncio.sleep(LOOK_SECONDS)
            links.renew(lambda pem: self._revocations is not None and self._revocations.has(read(pem)))

    def background(self, links: PeerLinks) -> dict[str, Callable[[], Awaitable[None]]]:
        """The following of the files."""
        found: dict[str, Callable[[], Awaitable[None]]] = {
            f"the watch over the certificate for {name}": k.run for name, k in self._keyrings.items()
        }
        if self._revocations is not None:
            found["the watch over revoked certificates"] = self._revocations.run
            found["the end of revoked connections"] = self._certified.run
            found["the renewal of links"] = lambda: self.renew(links)
        return found

    def signer(self) -> Signer | None:
        """The CA, if this node has its key. ConfigError: the key can't be used."""
        path, peers, clients = self._config.tls_ca_key, self._peers, self._clients
        if path is None:
            return None
        if peers is None or clients is None:
            raise ConfigError("TLS_CA_KEY", path, "left out where TLS_CERT is not set")
        return Signer(path, lambda: peers.current.ca, lambda: clients.current.cert)

    def _read_revocations(self) -> Revocations | None:
        path = self._config.tls_revoked
        if path is None:
            return None
        if not self._keyrings:
            raise ConfigError("TLS_REVOKED", path, "left out where TLS_CERT is not set")
        return Revocations(path, lambda: b"".join(k.current.ca for k in self._keyrings.values()))

    def _is_of_peers(self, pem: bytes) -> bool:
        """Whether a certificate comes from a CA of nodes: another CA of clients can't make nodes."""
        clients, peers = self._clients, self._peers
        if clients is None or peers is None or not self._asks_clients:
            return True
        if clients.current.ca == peers.current.ca:
            return True
        return is_issued(pem, peers.current.cert, peers.current.ca)

    @property
    def _keyrings(self) -> dict[str, Keyring]:
        """Each once."""
        found = {"peers": self._peers, "clients": self._clients}
        if self._clients is self._peers:
            found = {"clients and peers": self._peers}
        return {name: keyring for name, keyring in found.items() if keyring is not None}
