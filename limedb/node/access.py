"""A node's identities, made from its settings: whether callers need a token, and the parts that recognise it.

It owns the choice of the parts, and reads the files of secrets. It must never put a secret into an error,
a log line or the environment of another process.

Tested in tests/scenarios/test_access.py.
"""

import asyncio
import logging
from pathlib import Path

from limedb.access.identities import Identities
from limedb.access.joining import Joining
from limedb.access.peer_secret import PeerSecret
from limedb.access.root import RootToken
from limedb.access.tokens import read_secret
from limedb.access.users import Users
from limedb.config import Config
from limedb.core.node_urls import address_of
from limedb.engine import Engine
from limedb.errors import ConfigError
from limedb.node.encryption import Encryption
from limedb.observability.audit import AuditLog
from limedb.ports import Authenticator, Clock
from limedb.rpc.server.access_service import AccessServicer
from limedb.rpc.server.clients import Clients
from limedb.rpc.server.gate import Gate
from limedb.rpc.server.server import Server

log = logging.getLogger(__name__)


class Access:
    """Identities of a node. encryption: by which nodes may prove that they are nodes. ConfigError: a setting
    or a file can't be used.
    """

    def __init__(self, config: Config, clock: Clock, encryption: Encryption) -> None:
        self._enforces, self._clock, self._encryption = config.auth == "required", clock, encryption
        self._config, self._signer = config, encryption.signer()
        if self._enforces and config.cluster_secret_file is None and not encryption.proves_nodes:
            raise ConfigError(
                "CLUSTER_SECRET_FILE",
                "",
                "set where AUTH=required and nodes have no certificates: it proves that they belong together",
            )
        path = config.cluster_secret_file
        _check_together(config)
        self.secret = PeerSecret(read_secret("CLUSTER_SECRET_FILE", path)) if path else None
        self._others: list[Authenticator] = []
        if config.root_token_file is not None:
            self._others.append(RootToken(read_secret("ROOT_TOKEN_FILE", config.root_token_file)))
        if config.jwt_keys_file is not None:
            self._others.append(_jwts(config.jwt_keys_file, config, clock))
        if self._enforces and not self._others:
            log.warning(
                "AUTH=required without ROOT_TOKEN_FILE and JWT_KEYS_FILE: only users that the cluster has"
                " already can log in"
            )
        self._audit = AuditLog(config.audit_log, config.node_url, clock.wall_ms) if config.audit_log else None
        self._identities: Identities | None = None

    def gate(self, engine: Engine, clients: Clients) -> Gate:
        """The entrance of the node, and the users of its cluster. clients: finds the address of a call."""
        self._users = Users(engine.coordinator, engine.scanner, self._clock)
        self._joining = Joining(
            engine.coordinator,
            self._signer,
            self._config.node_url,
            self._config.advertise_address or address_of(self._config.node_url),
            self._clock.wall_ms,
            lambda url: _is_member(engine, url) and engine.is_alive(url),
        )
        self._identities = Identities([*self._others, self._users], self._clock)
        self._gate = Gate(
            self._identities,
            self.secret,
            self._audit,
            self._enforces,
            self._encryption.is_node,
            self._encryption.user_of,
            clients,
        )
        return self._gate

    def serve(self, server: Server) -> None:
        """Serve the management of users."""
        server.add(AccessServicer(self._gate, self._users, self._joining, self._clock))

    async def close(self) -> None:
        """Stop all checks, and write pending entries."""
        if self._identities is not None:
            await self._identities.close()
        if self._audit is not None:
            await asyncio.to_thread(self._audit.close)


def _is_member(engine: Engine, url: str) -> bool:
    return any(member.url == url for member in engine.topology_store.topology.members)


def _check_together(config: Config) -> None:
    """ConfigError: settings make no sense together."""
    secret, root = config.cluster_secret_file, config.root_token_file
    if secret is not None and root is not None and secret.resolve() == root.resolve():
        raise ConfigError(
            "ROOT_TOKEN_FILE",
            root,
            "another file than CLUSTER_SECRET_FILE: clients send the token",
        )
    if config.jwt_keys_file is None and (config.jwt_issuer or config.jwt_audience):
        raise ConfigError("JWT_KEYS_FILE", "", "set where JWT_ISSUER or JWT_AUDIENCE is")


def _jwts(keys_file: Path, config: Config, clock: Clock) -> Authenticator:
    from limedb.access.jwts import Jwts  # slow to load, and seldom needed

    for name, value in (("JWT_ISSUER", config.jwt_issuer), ("JWT_AUDIENCE", config.jwt_audience)):
        if not value:
            raise ConfigError(name, "", "set, together with JWT_KEYS_FILE: tokens for others must not count")
    return Jwts(keys_file, config.jwt_issuer, config.jwt_audience, config.jwt_roles_claim, clock)
