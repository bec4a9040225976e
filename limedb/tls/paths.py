"""The files that a node's settings name: for its clients, and for the other nodes.

It owns the defaults of missing settings, and the refusals. It must never read a file.

Tested in tests/tls/test_keyring.py.
"""

from dataclasses import dataclass
from pathlib import Path

from limedb.config import Config
from limedb.errors import ConfigError
from limedb.tls.target import ClientTls

MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class TlsPaths:
    """Three files in PEM. kind: what their settings begin with, TLS or PEER_TLS. ca: None: there is none."""

    kind: str
    cert: Path
    key: Path
    ca: Path | None

    @property
    def for_calls(self) -> ClientTls:
        """The same, for the node as a client."""
        return ClientTls(self.ca, self.cert, self.key)


def paths_of(config: Config) -> tuple[TlsPaths | None, TlsPaths | None]:
    """The files for clients and those for peers, which are the same unless others are set; None: without TLS.
    ConfigError: a setting is missing, or makes no sense with the others.
    """
    clients = _paths("TLS", config.tls_cert, config.tls_key, config.tls_ca)
    peer_ca = config.peer_tls_ca or config.tls_ca
    peers = _paths("PEER_TLS", config.peer_tls_cert, config.peer_tls_key, peer_ca)
    if peers is None and clients is not None:
        peers = TlsPaths("TLS", clients.cert, clients.key, peer_ca)
    _check(config, clients, peers)
    return clients, peers


def _paths(kind: str, cert: Path | None, key: Path | None, ca: Path | None) -> TlsPaths | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        lacking = f"{kind}_{'KEY' if key is None else 'CERT'}"
        raise ConfigError(lacking, "", f"a file: {kind}_CERT and {kind}_KEY go together")
    return TlsPaths(kind, cert, key, ca)


def _check(config: Config, clients: TlsPaths | None, peers: TlsPaths | None) -> None:
    if config.tls_client_cert == "required" and (clients is None or clients.ca is None):
        raise ConfigError("TLS_CLIENT_CERT", "required", "none, unless TLS_CERT, TLS_KEY and TLS_CA are set")
    if peers is None:
        if config.tls_ca is not None or config.peer_tls_ca is not None:
            raise ConfigError("TLS_CERT", "", "a file, as TLS_CA is set; `limedb certs node` makes one")
        return
    if peers.ca is None:
        raise ConfigError("TLS_CA", "", "a file: by it nodes prove themselves to each other")
    if config.peer_port > MAX_PORT:
        raise ConfigError(
            "PEER_PORT_OFFSET",
            config.peer_port_offset,
            f"{MAX_PORT - config.server_port} at most with SERVER_PORT={config.server_port}",
        )
