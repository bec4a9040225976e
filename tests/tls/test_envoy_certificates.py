"""A real Envoy takes new certificates as they are put in place, without a restart.

Tests limedb/launch/envoy.py (`render_secrets`).
"""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from limedb.tls.authority import issue, new_authority, node_holder
from limedb.tls.certificates import facts_of
from limedb.tls.folder import read
from tests.support.clusters import QUICK, RunningCluster, limedb, print_logs, read_cluster
from tests.support.ports import free_ports
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A node and Envoy, with certificates."""
    folder = tmp_path_factory.mktemp("followed") / "cluster"
    given = {**QUICK, "PEER_PORT_OFFSET": "1"}
    settings = [part for name, value in given.items() for part in ("-e", f"{name}={value}")]
    with free_ports(3) as ports:
        options = ["--nodes", "1", "--port", str(ports[0]), "--base-port", str(ports[1]), *settings]
        try:
            done = limedb("cluster", "start", "--tls", "--detach", "--data-dir", str(folder), *options)
            assert done.returncode == 0, done.stderr
            yield read_cluster(folder)
        except BaseException:
            print_logs(folder)
            raise
        finally:
            limedb("cluster", "stop", "--data-dir", str(folder))


class Connection:
    """One connection to Envoy, of HTTP/1.1. serial: of the certificate that Envoy showed."""

    def __init__(self, cluster: RunningCluster) -> None:
        host, _, port = cluster.envoy_url.removeprefix("https://").partition(":")
        context = ssl.create_default_context(cafile=str(cluster.folder / "certs" / "ca.pem"))
        plain = socket.create_connection((host, int(port)), timeout=10)
        self._socket = context.wrap_socket(plain, server_hostname=host)
        shown = self._socket.getpeercert(binary_form=True)
        assert shown
        self.serial = x509.load_der_x509_certificate(shown).serial_number

    def ask(self) -> bytes:
        """The first line of the answer to a request for health."""
        self._socket.sendall(b"GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            part = self._socket.recv(65536)
            assert part, f"the connection ended after {answer!r}"
            answer += part
        return answer.partition(b"\r\n")[0]

    def close(self) -> None:
        self._socket.close()


def serial_now(cluster: RunningCluster) -> int:
    """The serial number that a new connection sees."""
    connection = Connection(cluster)
    connection.close()
    return connection.serial


def test_a_renewed_certificate_is_shown_to_new_connections_and_old_ones_stay(
    cluster: RunningCluster,
) -> None:
    cert = cluster.folder / "certs" / "envoy.pem"
    old = Connection(cluster)
    assert old.serial == read(cert)[0].serial_number
    assert old.ask() == b"HTTP/1.1 200 OK"
    done = limedb("certs", "renew", str(cert), "--dir", str(cert.parent))
    assert done.returncode == 0, done.stderr
    renewed = read(cert)[0].serial_number
    assert renewed != old.serial
    wait_for("Envoy shows the new certificate", lambda: serial_now(cluster) == renewed)
    assert old.ask() == b"HTTP/1.1 200 OK"
    old.close()


def test_a_certificate_whose_key_is_another_one_changes_nothing(cluster: RunningCluster) -> None:
    cert = cluster.folder / "certs" / "envoy.pem"
    before, kept = serial_now(cluster), cert.read_bytes()
    other = cluster.folder / "certs" / "client.pem"
    _replace(cert, other.read_bytes())
    assert serial_now(cluster) == before
    _replace(cert, kept)
    done = limedb("certs", "renew", str(cert), "--dir", str(cert.parent))
    assert done.returncode == 0, done.stderr
    wait_for("Envoy shows the next one", lambda: serial_now(cluster) == read(cert)[0].serial_number != before)


def test_a_new_authority_of_nodes_is_known_once_its_file_is_there(cluster: RunningCluster) -> None:
    """Envoy reaches a node whose certificate comes from a CA that it did not know at its start."""
    certs = cluster.folder / "certs"
    (node,) = cluster.nodes
    fresh = new_authority("the next CA", 100)
    _replace(certs / "ca.pem", (certs / "ca.pem").read_bytes() + fresh.cert)
    made = issue(fresh, node_holder(node.url, ["127.0.0.1"]), 100)
    _replace(certs / "node1.key", made.key)
    _replace(certs / "node1.pem", made.cert)
    assert facts_of(read(certs / "node1.pem")[0]).issuer == "the next CA"
    cluster.restart("node1")  # Envoy has to connect anew
    context = ssl.create_default_context(cafile=str(certs / "ca.pem"))
    with httpx.Client(verify=context, base_url=cluster.envoy_url, timeout=10) as client:
        wait_for("Envoy reaches the node", lambda: client.get("/api/v1/health").is_success)
        assert json.loads(client.get("/api/v1/health").text)["nodeUrl"] == node.url


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(0o600)
    fresh.replace(path)
