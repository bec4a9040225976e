"""Certificates for tests: of a CA, of another one, in time and out of it.

It owns the files. It must never be used beyond a test's folder.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from limedb.tls.authority import Holder, Made, issue, new_authority, node_holder
from limedb.tls.keyring import Pems
from limedb.tls.target import ClientTls, Target

LONG_AGO = datetime.now(UTC) - timedelta(days=100)


class Pki:
    """A CA in a folder, and what it issues."""

    def __init__(self, folder: Path, name: str = "test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.made = new_authority(name, 1000, LONG_AGO)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.made.cert)

    def node(self, url: str, days: float = 365, file: str = "", ago: datetime | None = None) -> ClientTls:
        """The files of a node at a loopback address."""
        return self.files(node_holder(url, ["localhost"]), file or url.rpartition(":")[2], days, ago)

    def expired(self, url: str) -> ClientTls:
        """The files of a node whose certificate has expired."""
        return self.node(url, 1, f"expired-{url.rpartition(':')[2]}", LONG_AGO)

    def client(self, name: str = "alice") -> ClientTls:
        """The files of a client."""
        return self.files(Holder("client", name), name)

    def files(self, holder: Holder, file: str, days: float = 365, ago: datetime | None = None) -> ClientTls:
        """The files of a holder."""
        return self.write(file, issue(self.made, holder, days, now=ago))

    def write(self, file: str, made: Made) -> ClientTls:
        """A certificate and its key, as files."""
        cert, key = self._folder / f"{file}.pem", self._folder / f"{file}.key"
        cert.write_bytes(made.cert)
        key.touch(0o600)
        key.write_bytes(made.key)
        return ClientTls(self.ca, cert, key)


def settings_of(tls: ClientTls) -> dict[str, str]:
    """The settings of a node with these files."""
    return {"TLS_CA": str(tls.ca), "TLS_CERT": str(tls.cert), "TLS_KEY": str(tls.key)}


def asked(address: str, ca: Path) -> Target:
    """A node or Envoy, for a client without a certificate."""
    return Target(address, ClientTls(ca))


class Kept:
    """What some files hold, whether a node may use it or not: `tls.serving.Keys`."""

    def __init__(self, tls: ClientTls) -> None:
        self.current = pems_of(tls)

    def replace(self, tls: ClientTls) -> None:
        """Hold what other files do."""
        self.current = pems_of(tls)


def pems_of(tls: ClientTls) -> Pems:
    """The contents of files."""
    shown = tls.read()
    return Pems(shown.cert or b"", shown.key or b"", shown.ca or b"")
