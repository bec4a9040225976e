"""How a new node obtains its certificate with a join token.

It owns the call, and the files that result from it. It must never send the token to a node without a
certificate of the token's own CA, nor write a key that others can read.

Tested in tests/tls/test_joining.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import grpc

from limedb.access.join_token import JoinToken, join_token
from limedb.access.tokens import read_secret
from limedb.config import Config
from limedb.core.exposure import host_of, is_loopback
from limedb.core.node_urls import address_of
from limedb.errors import ConfigError
from limedb.operator.calls import Caller
from limedb.tls.authority import Holder, new_key, request
from limedb.tls.dialling import open_channel
from limedb.tls.folder import replace_file
from limedb.tls.target import ClientTls, Target
from limedb.wire.channels import options_for
from limedbpb.v1 import access_pb2, access_pb2_grpc

SECONDS = 30.0
"""How long the call may take."""


class Files(NamedTuple):
    """Where the files of the new node are put."""

    ca: Path
    cert: Path
    key: Path


def read_token(setting: str, path: Path) -> JoinToken:
    """The token in a file. ConfigError: it has none, or others can read it."""
    try:
        return join_token(read_secret(setting, path))
    except ValueError as flaw:
        raise ConfigError(setting, path, f"a file with a join token: {flaw}") from None


def join(
    token: JoinToken, node_url: str, files: Files, address: str = "", shown: ClientTls | None = None
) -> None:
    """Obtain a certificate, and write the files, the certificate last. address: of the node to ask, if not
    the one in the token. shown: a certificate of a client, where nodes ask for one. ConfigError: a file can't
    be written; the errors of a call: `operator.calls`.
    """
    with _asked(token, files, address, shown or ClientTls()) as (target, key):
        with open_channel(target, options_for(SECONDS)) as channel:
            csr = request(Holder("client", ""), key).cert
            made = _JoinCaller(target, channel, SECONDS).join(token, node_url, csr)
        try:
            replace_file(files.ca, made.authorities)
            replace_file(files.cert, made.certificate)
        except OSError as error:
            raise ConfigError(
                "TLS_CERT", files.cert, f"a file that can be written: {error.strerror}"
            ) from None


@contextmanager
def _asked(token: JoinToken, files: Files, address: str, shown: ClientTls) -> Iterator[tuple[Target, bytes]]:
    """The target to ask, trusting only the CA of the token, and the node's key. The key is stored before the
    certificate arrives, so that a second try after a lost answer uses the same key.
    """
    pinned = files.ca.with_name(f"{files.ca.name}.join")
    try:
        files.key.parent.mkdir(parents=True, exist_ok=True)
        files.ca.parent.mkdir(parents=True, exist_ok=True)
        if not files.key.exists():
            replace_file(files.key, new_key())
        replace_file(pinned, token.ca.encode())
        key = files.key.read_bytes()
    except OSError as error:
        raise ConfigError("TLS_KEY", files.key, f"a file that can be written: {error.strerror}") from None
    try:
        yield Target(address or token.address, replace(shown, ca=pinned)), key
    finally:
        pinned.unlink(missing_ok=True)


class _JoinCaller(Caller):
    def __init__(self, target: Target, channel: grpc.Channel, timeout: float) -> None:
        super().__init__(target, channel, timeout)
        self._access = access_pb2_grpc.AccessServiceStub(channel)

    def join(self, token: JoinToken, node_url: str, csr: bytes) -> access_pb2.JoinResponse:
        asked = access_pb2.JoinRequest(id=token.id, secret=token.secret, node_url=node_url, csr=csr)
        return self._call(lambda: self._access.Join(asked, timeout=self._timeout, wait_for_ready=True))


def obtain(config: Config) -> None:
    """Obtain the files of a node that has none yet, with the token of its settings. ConfigError, and the
    errors of `join`.
    """
    path, cert, key, ca = config.join_token_file, config.tls_cert, config.tls_key, config.tls_ca
    if path is None or (cert is not None and cert.exists()):
        return
    if cert is None or key is None or ca is None:
        raise ConfigError(
            "JOIN_TOKEN_FILE", path, "set together with TLS_CERT, TLS_KEY and TLS_CA, where it puts them"
        )
    is_near = is_loopback(host_of(address_of(config.node_url)))
    if not (is_near or config.insecure or config.auth == "required" or config.tls_client_cert == "required"):
        raise ConfigError(
            "AUTH", config.auth, "required, with the cluster's ROOT_TOKEN_FILE; the join token was not used"
        )
    join(read_token("JOIN_TOKEN_FILE", path), config.node_url, Files(ca, cert, key))
