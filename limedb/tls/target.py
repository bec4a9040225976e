"""The target of a client, and the files for it.

It owns these values. It must never open a channel, nor import gRPC: the command line is quick to start.

Tested in tests/tls/test_dialling.py.
"""

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TypedDict

from limedb.errors import ConfigError
from limedb.tls.bearer import Token

PathText = str | PathLike[str]
HTTPS = "https://"


class Shown(NamedTuple):
    """The contents of a client's files; None: not given."""

    ca: bytes | None
    key: bytes | None
    cert: bytes | None


@dataclass(frozen=True, slots=True)
class ClientTls:
    """The files of a client, in PEM. ca: the CAs from which servers' certificates must come; None: those
    included in gRPC. cert, key: the client's own, if servers ask for them.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def read(self) -> Shown:
        """The files' contents of this moment. ConfigError: one can't be read."""
        return Shown(_content("ca", self.ca), _content("key", self.key), _content("cert", self.cert))


def client_tls(
    ca: PathText | None, cert: PathText | None, key: PathText | None, is_https: bool = False
) -> ClientTls | None:
    """The TLS of a client; None: without TLS, since no file is given and the address isn't https.
    ConfigError: a certificate without its key, or the reverse; or an empty path, which must not disable TLS.
    """
    for name, path in (("tls_ca", ca), ("tls_cert", cert), ("tls_key", key)):
        if path == "":
            raise ConfigError(name, "", "the path of a file; to connect without TLS, leave it out")
    if bool(cert) != bool(key):
        raise ConfigError("tls_key" if cert else "tls_cert", "", "a file: certificate and key go together")
    if not (ca or cert or is_https):
        return None
    paths = [Path(each).expanduser() if each else None for each in (ca, cert, key)]
    return ClientTls(*paths)


class Files(TypedDict):
    """Arguments of `connect`."""

    tls_ca: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    token: Token | None


@dataclass(frozen=True, slots=True)
class Target:
    """A node or Envoy to ask. address: host:port; several, with commas between them, for the client library,
    of which other callers ask the first. tls: None: without TLS. token: to show; None: there is none.
    """

    address: str
    tls: ClientTls | None = None
    token: Token | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.address

    @property
    def first(self) -> "Target":
        """The same with the first of its addresses alone."""
        return self.at(self.address.partition(",")[0])

    @property
    def url(self) -> str:
        """The form for `connect`, which then uses TLS if this does."""
        return f"{HTTPS}{self.address}" if self.tls else self.address

    @property
    def files(self) -> "Files":
        """The further arguments of `connect`."""
        tls = self.tls or ClientTls()
        return Files(tls_ca=tls.ca, tls_cert=tls.cert, tls_key=tls.key, token=self.token)

    def at(self, address: str) -> "Target":
        """The same at another address."""
        return Target(address, self.tls, self.token)


def target_of(where: Target | str) -> Target:
    """A target; of only an address: without TLS."""
    return where if isinstance(where, Target) else Target(where)


def _content(what: str, path: Path | None) -> bytes | None:
    try:
        content = None if path is None else path.read_bytes()
    except OSError as error:
        raise ConfigError(f"tls_{what}", str(path), f"a file that can be read: {error.strerror}") from None
    kind = "PRIVATE KEY" if what == "key" else "CERTIFICATE"
    if (
        content is not None and f"{kind}-----".encode() not in content
    ):  # gRPC would report it only in its own log
        raise ConfigError(f"tls_{what}", str(path), f"a file with a {kind.lower()} in PEM")
    return content
