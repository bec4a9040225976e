"""A cluster with TLS everywhere that asks its clients for certificates and tokens, and reads a list of
revoked certificates.

It owns the folder of certificates. It must never outlive the test.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc

from limedb.access.tokens import new_secret, write_secret
from limedb.tls.authority import Holder, node_holder
from limedb.tls.bearer import with_token
from limedb.tls.dialling import open_channel
from limedb.tls.folder import CertificateFolder
from limedb.tls.target import ClientTls, Target
from tests.support.clusters import QUICK, RunningCluster, limedb, print_logs, read_cluster
from tests.support.ports import free_ports

NODES = 3


class Certified:
    """The cluster, its CA, and the root token's file. offset: of the ports for peers."""

    def __init__(self, cluster: RunningCluster, offset: int) -> None:
        self.cluster, self._offset = cluster, offset
        self.folder = CertificateFolder(cluster.folder / "certs", replaces=True)
        self.root = cluster.folder.parent / "root.token"

    @property
    def envoy(self) -> str:
        """host:port of Envoy."""
        return self.cluster.envoy_url.removeprefix("https://")

    def peers_at(self, index: int) -> str:
        """host:port for the peers of a node."""
        host, _, port = self.cluster.nodes[index].address.rpartition(":")
        return f"{host}:{int(port) + self._offset}"

    def files(self, name: str) -> ClientTls:
        """The files of a holder."""
        return ClientTls(self.folder.ca, self.folder.cert(name), self.folder.key(name))

    def client(self, name: str, file: str = "") -> ClientTls:
        """The files of a new client's certificate."""
        self.folder.issue(file or name, Holder("client", name), 1)
        return self.files(file or name)

    def node(self, url: str, file: str) -> ClientTls:
        """The files of a new certificate of a node."""
        self.folder.issue(file, node_holder(url, ["localhost"]), 1)
        return self.files(file)

    def limedb(self, *arguments: str, tls: ClientTls, token: Path | None = None, code: int = 0) -> str:
        """What a command prints, which shows a certificate, and a token if there is one."""
        target = ("--target", self.cluster.nodes[0].address)
        files = ("--ca", str(tls.ca), "--cert", str(tls.cert), "--key", str(tls.key))
        shown = ("--token-file", str(token)) if token else ()
        done = limedb(*arguments, *target, *files, *shown)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout if code == 0 else done.stderr

    def add_user(self, name: str, *roles: str) -> str:
        """Make a user, and return its token."""
        given = [part for role in roles for part in ("--role", role)]
        command = ("admin", "user", "add", name, *given)
        return self.limedb(*command, tls=self.files("client"), token=self.root).strip()

    @contextmanager
    def channel(self, address: str, tls: ClientTls, token: str | None = None) -> Iterator[grpc.Channel]:
        """A channel with a certificate, and a token if there is one."""
        with ExitStack() as stack:
            yield with_token(stack.enter_context(open_channel(Target(address, tls), ())), token)


@contextmanager
def certified_cluster(parent: Path, nodes: int = NODES) -> Iterator[Certified]:
    """Such a cluster for the time of the block."""
    folder, root = parent / "cluster", parent / "root.token"
    write_secret(root, new_secret())
    made = CertificateFolder(folder / "certs")
    made.make_authority("LimeDB CA", 10)
    made.revoke([])
    given = {
        **QUICK,
        "PEER_PORT_OFFSET": str(nodes),
        "TLS_CLIENT_CERT": "required",
        "TLS_REVOKED": str(made.revoked),
        "AUTH": "required",
        "ROOT_TOKEN_FILE": str(root),
        "AUDIT_LOG": str(parent / "audit.log"),
    }
    settings = [part for name, value in given.items() for part in ("-e", f"{name}={value}")]
    with free_ports(2 * nodes + 1) as ports:
        options = ["--nodes", str(nodes), "--port", str(ports[0]), "--base-port", str(ports[1]), *settings]
        try:
            done = limedb("cluster", "start", "--tls", "--detach", "--data-dir", str(folder), *options)
            assert done.returncode == 0, done.stderr
            running = read_cluster(folder)
            assert json.loads((folder / "cluster.json").read_text())["tls"]
            yield Certified(running, nodes)
        except BaseException:
            print_logs(folder)
            raise
        finally:
            limedb("cluster", "stop", "--data-dir", str(folder))
