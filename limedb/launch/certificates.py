"""The certificates of a local cluster: `limedb cluster start --tls`.

It owns the folder `certs` beside the data: a CA, a certificate for each node, one for Envoy and one for
clients. It makes those that are missing, and new ones for those that expire soon. It must never be used on
more than one machine.

Tested in tests/launch/test_tls.py.
"""

import re
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from limedb.core.node_urls import LOOPBACK_HOSTS
from limedb.tls.authority import Holder, node_holder
from limedb.tls.folder import CertificateFolder

DAYS = 365.0
CA_DAYS = 3650.0
RENEW_DAYS = 60.0
"""A certificate that expires sooner is replaced at the start."""
ENVOY, CLIENT = "envoy", "client"


class LocalCertificates:
    """The certificates in the folder of a local cluster."""

    def __init__(self, folder: Path) -> None:
        self._folder = CertificateFolder(folder / "certs", replaces=True)

    @property
    def exist(self) -> bool:
        """Whether the cluster has had certificates."""
        return self._folder.ca.exists()

    def settings(self, name: str, url: str) -> Mapping[str, str]:
        """The settings of a node of that name and URL, whose certificate is there when this returns."""
        host = url.removeprefix("http://").rpartition(":")[0].strip("[]")
        self._make(name, node_holder(url, [host]))
        self._make(CLIENT, Holder("client", CLIENT))
        return self._paths(name)

    def envoy(self, host: str, names: Iterable[str] = ()) -> Mapping[str, str]:
        """The same for Envoy, which listens at a host, and has some further names."""
        hosts = own_hosts() if host in ("0.0.0.0", "::") else [host]  # noqa: S104 (nobody listens)
        known = tuple(dict.fromkeys([*hosts, *names, *sorted(LOOPBACK_HOSTS)]))
        self._make(ENVOY, Holder("server", ENVOY, known))
        return self._paths(ENVOY)

    def _paths(self, name: str) -> dict[str, str]:
        made = self._folder
        return {"TLS_CA": str(made.ca), "TLS_CERT": str(made.cert(name)), "TLS_KEY": str(made.key(name))}

    def _make(self, name: str, holder: Holder) -> None:
        if not self._folder.ca.exists():
            self._folder.make_authority("LimeDB, local cluster", CA_DAYS)
        self._folder.keep(name, holder, DAYS, RENEW_DAYS)


def own_hosts() -> list[str]:
    """The name of this machine and the addresses by which it reaches others, as far as it knows them."""
    found = [name for name in [socket.gethostname()] if re.fullmatch("[A-Za-z0-9.-]+", name)]
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))  # this chooses a way, and sends nothing
            found.append(probe.getsockname()[0])
    return found


def client_files(ca: Path) -> tuple[Path, Path]:
    """The certificate and key for clients of the cluster with that CA."""
    folder = CertificateFolder(ca.parent)
    return folder.cert(CLIENT), folder.key(CLIENT)
