"""A cluster that speaks TLS everywhere, as `limedb cluster start --tls` makes it.

Tests limedb/node/encryption.py and limedb/tls/version.py.
"""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

import limedb
from limedb.errors import UnavailableError
from limedb.launch.records import Folder
from tests.support.certificates import Pki
from tests.support.clusters import QUICK, RunningCluster, print_logs, read_cluster
from tests.support.clusters import limedb as command
from tests.support.ports import free_ports
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

NODES = 3
OFFSET = NODES + 1
GRPCURL = Path(sys.executable).with_name("grpcurl")


class Encrypted(NamedTuple):
    """A cluster, and the files that its clients have."""

    cluster: RunningCluster
    ca: Path
    cert: Path
    key: Path

    @property
    def env(self) -> dict[str, str]:
        return {"LIMEDB_CA": str(self.ca), "LIMEDB_CERT": str(self.cert), "LIMEDB_KEY": str(self.key)}

    @property
    def envoy(self) -> str:
        return self.cluster.envoy_url.removeprefix("https://")

    def peers_at(self, index: int) -> str:
        """host:port for the peers of a node."""
        host, _, port = self.cluster.nodes[index].address.rpartition(":")
        return f"{host}:{int(port) + OFFSET}"


@pytest.fixture(scope="module", params=["none", "required"])
def encrypted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Encrypted]:
    """Clusters that ask clients for no certificate, and for one."""
    folder = tmp_path_factory.mktemp("tls") / "cluster"
    with free_ports(2 * NODES + 2) as ports:
        given = {**QUICK, "PEER_PORT_OFFSET": str(OFFSET), "TLS_CLIENT_CERT": request.param}
        settings = [part for name, value in given.items() for part in ("-e", f"{name}={value}")]
        options = ["--nodes", str(NODES), "--port", str(ports[0]), "--base-port", str(ports[1]), *settings]
        try:
            done = command("cluster", "start", "--tls", "--detach", "--data-dir", str(folder), *options)
            assert done.returncode == 0, done.stderr
            files = json.loads((folder / "cluster.json").read_text())["tls"]
            made = Encrypted(read_cluster(folder), *(Path(files[name]) for name in ("ca", "cert", "key")))
            yield made
        except BaseException:
            print_logs(folder)
            raise
        finally:
            command("cluster", "stop", "--data-dir", str(folder))


def test_commands_and_rest_do_their_work(encrypted: Encrypted) -> None:
    node, env = encrypted.cluster.nodes[1].address, encrypted.env
    assert command("set", "lime", "green", "--target", node, env=env).returncode == 0
    assert command("get", "lime", "--target", encrypted.envoy, env=env).stdout == "green\n"
    assert command("health", "--target", node, env=env).stdout == "SERVING\n"
    assert f"{NODES} of {NODES} nodes active" in command("status", "--target", node, env=env).stdout
    with httpx.Client(verify=ssl.create_default_context(cafile=encrypted.ca)) as client:
        assert client.get(f"{encrypted.cluster.envoy_url}/api/v1/get/lime").json()["value"] == "green"
        assert client.get(encrypted.cluster.envoy_url).is_success


def test_bulk_and_load_do_theirs(encrypted: Encrypted, tmp_path: Path) -> None:
    node, env, file = encrypted.cluster.nodes[0].address, encrypted.env, tmp_path / "keys.jsonl"
    file.write_text('{"key": "bulk/1", "value": "one"}\n{"key": "bulk/2", "value": "two"}\n')
    done = command("import", str(file), "--target", node, env=env)
    assert done.returncode == 0, done.stderr
    done = command("export", "-", "--prefix", "bulk/", "--target", node, env=env)
    assert len(done.stdout.splitlines()) == 2, done.stderr
    for extra in ([], ["--pin", encrypted.cluster.nodes[2].url]):
        load = ["bench", "verify", "-n", "50", "-c", "4", "--keys", "20", *extra]
        done = command(*load, "--target", node, env=env)
        assert done.returncode == 0, done.stderr
    load = ["bench", "read", "-n", "20", "-c", "2", "--keys", "5", "--rest"]
    done = command(*load, "--target", encrypted.envoy, env=env)
    assert done.returncode == 0, done.stderr


async def test_the_client_reaches_each_node(encrypted: Encrypted) -> None:
    addresses = ",".join(node.address for node in encrypted.cluster.nodes)
    files = {"tls_ca": encrypted.ca, "tls_cert": encrypted.cert, "tls_key": encrypted.key}
    async with limedb.connect(addresses, follow_ring=True, **files) as db:  # type: ignore[arg-type]
        await db.set_many({f"client/{n}": str(n) for n in range(50)}, consistency="all")
        assert await db.get("client/7") == "7"


def test_grpcurl_needs_no_more_than_the_files(encrypted: Encrypted) -> None:
    done = subprocess.run(
        [GRPCURL, "-cacert", encrypted.ca, "-cert", encrypted.cert, "-key", encrypted.key, "-d",
         '{"key":"k","value":"v"}', encrypted.cluster.nodes[0].address, "limedb.v1.KVService/Set"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_client_without_tls_learns_why(encrypted: Encrypted) -> None:
    address = encrypted.cluster.nodes[0].address
    done = command("get", "k", "--target", address, "--timeout", "3")
    assert done.returncode == 1
    assert "it speaks TLS" in done.stderr
    with pytest.raises(UnavailableError, match="it speaks TLS"):
        limedb.connect_sync(address, timeout=3).open()


@pytest.mark.parametrize("where", ["node", "envoy"])
def test_a_command_with_another_ca_says_so_in_one_line(
    encrypted: Encrypted, where: str, tmp_path: Path
) -> None:
    other = Pki(tmp_path, "LimeDB CA").ca
    address = encrypted.cluster.nodes[0].address if where == "node" else encrypted.envoy
    done = command(
        "get", "k", "--target", address, "--timeout", "3", env={**encrypted.env, "LIMEDB_CA": str(other)}
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "certificate can't be trusted" in done.stderr


@pytest.mark.parametrize("where", ["clients", "peers", "envoy"])
def test_nothing_older_than_tls_1_3_is_spoken(encrypted: Encrypted, where: str) -> None:
    address = {
        "clients": encrypted.cluster.nodes[0].address,
        "peers": encrypted.peers_at(0),
        "envoy": encrypted.envoy,
    }[where]
    assert handshake(encrypted, address, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        handshake(encrypted, address, ssl.TLSVersion.TLSv1_2)


def handshake(encrypted: Encrypted, address: str, version: ssl.TLSVersion) -> str | None:
    """The version of a connection that speaks one only."""
    with connected(encrypted, address, version) as made:
        return made.version()


def shown_at(encrypted: Encrypted, address: str) -> bytes | None:
    """The certificate that a node shows now, in DER."""
    with connected(encrypted, address, ssl.TLSVersion.TLSv1_3) as made:
        return made.getpeercert(binary_form=True)


@contextmanager
def connected(encrypted: Encrypted, address: str, version: ssl.TLSVersion) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=encrypted.ca)
    context.load_cert_chain(encrypted.cert, encrypted.key)
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), 10) as connection,
        context.wrap_socket(connection, server_hostname=host) as made,
    ):
        yield made


async def test_renewed_certificates_break_no_call(encrypted: Encrypted) -> None:
    """All are renewed under load, and shown to new connections; then a node restarts among the others."""
    cluster = encrypted.cluster
    certs = [encrypted.ca.parent / f"{node.name}.pem" for node in cluster.nodes]
    addresses = ",".join(node.address for node in cluster.nodes)
    files = {"tls_ca": encrypted.ca, "tls_cert": encrypted.cert, "tls_key": encrypted.key}
    done, stop = 0, asyncio.Event()
    async with limedb.connect(addresses, **files) as db:  # type: ignore[arg-type]

        async def write() -> None:
            nonlocal done
            while not stop.is_set():
                await db.set(f"load/{done}", "x")
                done += 1

        writing = [asyncio.create_task(write()) for _ in range(4)]
        before = [await asyncio.to_thread(shown_at, encrypted, node.address) for node in cluster.nodes]
        renewed = await asyncio.to_thread(
            command, "certs", "renew", *map(str, certs), "--dir", str(encrypted.ca.parent)
        )
        assert renewed.returncode == 0, renewed.stderr
        for node, cert, old in zip(cluster.nodes, certs, before, strict=True):
            new = ssl.PEM_cert_to_DER_cert(cert.read_text())
            assert new != old
            await asyncio.to_thread(
                wait_for, "the new certificate", lambda a=node.address, n=new: shown_at(encrypted, a) == n
            )
        at_renewal = done
        await asyncio.to_thread(wait_for, "more writes", lambda: done > at_renewal + 20)
        stop.set()
        await asyncio.gather(*writing)  # each raises what was lost
        await asyncio.to_thread(cluster.restart, "node2")
        await db.set("after", "restart", consistency="all")


def test_the_records_name_the_files_and_hold_no_key(encrypted: Encrypted) -> None:
    key = encrypted.key.read_text()
    for name in ("cluster.json", "launch.json"):
        assert key.splitlines()[1] not in (encrypted.cluster.folder / name).read_text()
    assert Folder(encrypted.cluster.folder).read().nodes[0].target.tls is not None
