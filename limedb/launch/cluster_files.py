"""The files of a cluster on several machines: `limedb certs cluster`.

It owns the folder of each node, which has all that the node needs to be safe on a network: its certificate,
the CA's, and its settings, but no secret of another node except the root token. The CA's key stays above the
folders. Valid files stay as they are, so that the command may run again: for another node, or to renew
certificates. It must never make a second CA.

Tested in tests/launch/test_cluster_files.py.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from limedb.access.tokens import new_secret, write_secret
from limedb.core.node_urls import LOOPBACK_HOSTS, address_of
from limedb.errors import ConfigError
from limedb.launch.certificates import CA_DAYS, RENEW_DAYS
from limedb.tls.authority import Holder, check_hosts, node_holder
from limedb.tls.folder import CertificateFolder, file_name, replace_file

NODE, PROXY, ROOT, SETTINGS = "node", "envoy", "root.token", "limedb.env"


class ClusterFiles:
    """The files below a folder. at: where each node will have its own folder. days: how long certificates
    last.
    """

    def __init__(self, folder: Path, at: str, days: float) -> None:
        self._ca = CertificateFolder(folder)
        self._at, self._days = PurePosixPath(at), days
        if not self._ca.ca.exists():
            self._ca.make_authority("LimeDB CA", CA_DAYS)
        self._token = self._ca.path / ROOT
        if not self._token.exists():
            write_secret(self._token, new_secret())

    def node(self, url: str, urls: Sequence[str]) -> Path:
        """The folder of a node. urls: of all nodes. ConfigError."""
        try:
            holder = node_holder(url, [address_of(url).rpartition(":")[0].strip("[]")])
        except ValueError as flaw:
            raise ConfigError("NODE_URL", url, str(flaw)) from None
        folder = self._folder(file_name(url))
        folder.keep(NODE, holder, self._days, RENEW_DAYS)
        self._put(folder.path / ROOT, self._token.read_bytes())
        settings = folder.path / SETTINGS
        known = settings.read_text() if settings.exists() else self._settings(url)
        self._put(settings, _with_peers(known, [other for other in urls if other != url]).encode())
        return folder.path

    def proxy(self, hosts: Sequence[str]) -> Path:
        """The folder of an Envoy that is reached at some hosts. ConfigError."""
        try:
            names = tuple(dict.fromkeys([*check_hosts(hosts), *sorted(LOOPBACK_HOSTS)]))
        except ValueError as flaw:
            raise ConfigError("--proxy", ",".join(hosts), f"other hosts: {flaw}") from None
        folder = self._folder(PROXY)
        folder.keep(PROXY, Holder("server", PROXY, names), self._days, RENEW_DAYS)
        return folder.path

    def _folder(self, name: str) -> CertificateFolder:
        folder = CertificateFolder(self._ca.path / name, True, self._ca.path)
        folder.path.mkdir(mode=0o700, exist_ok=True)
        self._put(folder.path / self._ca.ca.name, self._ca.ca.read_bytes())
        return folder

    def _settings(self, url: str) -> str:
        ca, token = self._at / self._ca.ca.name, self._at / ROOT
        settings = {
            "SERVER_PORT": url.rpartition(":")[2],
            "NODE_URL": url,
            "NODE_PEERS": "",
            "TLS_CA": ca,
            "TLS_CERT": self._at / f"{NODE}.pem",
            "TLS_KEY": self._at / f"{NODE}.key",
            "AUTH": "required",
            "ROOT_TOKEN_FILE": token,
            "LIMEDB_CA": ca,
            "LIMEDB_TOKEN_FILE": token,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _put(self, path: Path, content: bytes) -> None:
        """Write a file unless it is as it should be: processes that follow it then do nothing."""
        if not path.exists() or path.read_bytes() != content:
            replace_file(path, content)


def _with_peers(settings: str, peers: Sequence[str]) -> str:
    """Settings with further peers. All else stays as it is, since somebody may have changed it by hand."""
    lines = settings.splitlines()
    for place, line in enumerate(lines):
        name, _, value = line.partition("=")
        if name == "NODE_PEERS":
            lines[place] = f"{name}={','.join(dict.fromkeys([*filter(None, value.split(',')), *peers]))}"
    return "".join(f"{line}\n" for line in lines)
