"""New nodes obtain their certificates with join tokens, on a real cluster.

Tests limedb/operator/joining.py, limedb/access/joining.py and limedb/node/encryption.py.
"""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from limedb.access.join_token import join_token
from limedb.access.tokens import new_secret, write_secret
from limedb.tls.authority import node_holder
from limedb.tls.certificates import facts_of, read
from limedb.tls.folder import CertificateFolder
from tests.support.clusters import QUICK, limedb
from tests.support.ports import free_ports
from tests.support.serving import starting_node
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster


class Signing(NamedTuple):
    """A node with the CA's key, at an address, for new nodes at a free port."""

    address: str
    url: str
    folder: Path
    certs: CertificateFolder
    port: int

    @property
    def new_url(self) -> str:
        """The NODE_URL of the new node."""
        return f"http://localhost:{self.port}"

    def limedb(self, *arguments: str, code: int = 0) -> str:
        """What a command prints, as root."""
        shown = ("--ca", str(self.certs.ca), "--token-file", str(self.folder / "root.token"))
        done = limedb(*arguments, "--target", self.address, *shown)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout if code == 0 else done.stderr

    def token(self, *options: str) -> Path:
        """A file with a new token."""
        path = self.folder / f"join-{new_secret()}"
        write_secret(path, self.limedb("admin", "token", "join", self.new_url, *options).strip())
        return path

    def join(self, token: Path, folder: Path, url: str = "", *options: str) -> tuple[int, str]:
        """The exit code of `limedb certs join`, and what it prints."""
        command = ("certs", "join", url or self.new_url, "--token-file", str(token), "--dir", str(folder))
        done = limedb(*command, *options)
        return done.returncode, done.stdout + done.stderr


@contextmanager
def signing_node(folder: Path) -> Iterator[Signing]:
    """A node of its own with the CA's key, in a new cluster."""
    certs = CertificateFolder(folder / "certs")
    certs.make_authority("test CA", 10)
    write_secret(folder / "root.token", new_secret())
    with free_ports(4) as (port, _, new_port, _):
        url = f"http://localhost:{port}"
        certs.issue("first", node_holder(url, ["localhost"]), 1)
        settings = {
            "NODE_URL": url,
            "PEER_PORT_OFFSET": "1",
            "AUTH": "required",
            "ROOT_TOKEN_FILE": str(folder / "root.token"),
            "TLS_CA": str(certs.ca),
            "TLS_CERT": str(certs.cert("first")),
            "TLS_KEY": str(certs.key("first")),
            "TLS_CA_KEY": str(certs.key("ca")),
            "AUDIT_LOG": str(folder / "audit.log"),
            **QUICK,
        }
        with starting_node(folder / "first-node", port, settings) as address:
            made = Signing(address.replace("127.0.0.1", "localhost"), url, folder, certs, new_port)
            health = ("health", "--target", made.address, "--ca", str(certs.ca))
            wait_for("the node to serve", lambda: limedb(*health).returncode == 0, limit=120)
            yield made


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    """The node of the tests that leave its cluster as it is."""
    with signing_node(tmp_path_factory.mktemp("signing")) as node:
        yield node


@pytest.fixture
def growing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    """A node whose cluster a test may change."""
    with signing_node(tmp_path_factory.mktemp("growing")) as node:
        yield node


def test_a_fresh_node_joins_with_a_token_alone(growing: Signing, tmp_path: Path) -> None:
    """`limedb serve` obtains the certificate, and needs the token no more when it starts again."""
    token = growing.token("--ttl", "10m")
    files = {name: str(tmp_path / "own" / f"{name}.pem") for name in ("TLS_CA", "TLS_CERT", "TLS_KEY")}
    settings = {
        "NODE_URL": growing.new_url, "NODE_PEERS": growing.url, "PEER_PORT_OFFSET": "1", "AUTH": "required",
        "JOIN_TOKEN_FILE": str(token), "STORE": "lmdb", **files, **QUICK,
    }  # fmt: skip

    def is_member() -> bool:
        state = json.loads(growing.limedb("admin", "status", "-o", "json"))
        return {member["url"] for member in state["members"]} == {growing.url, growing.new_url}

    with starting_node(tmp_path / "node", growing.port, settings):
        wait_for("the new member", is_member, limit=120)
        mode = stat.S_IMODE(Path(files["TLS_KEY"]).stat().st_mode)
        assert mode == 0o600
        (certificate,) = read(Path(files["TLS_CERT"]).read_bytes())
        assert facts_of(certificate).role == "node"
        # Its name belongs to a living member: nobody else gets it.
        living = growing.limedb("admin", "token", "join", growing.new_url, code=2)
        assert "is a living node" in living
    token.unlink()
    settings["JOIN_TOKEN_FILE"] = str(tmp_path / "gone")
    with starting_node(tmp_path / "node", growing.port, settings):
        wait_for("the member again", lambda: "2 of 2 nodes active" in growing.limedb("status"), limit=120)


def test_a_token_is_refused_when_it_should_be(signing: Signing, tmp_path: Path) -> None:
    secret = join_token(signing.token().read_text().strip()).secret
    token = signing.token()
    code, said = signing.join(token, tmp_path / "other", "http://localhost:1")
    assert (code, "for another NODE_URL" in said) == (2, True), said
    code, said = signing.join(token, tmp_path / "one")
    assert code == 0, said
    assert "TLS_CERT=" in said
    code, said = signing.join(token, tmp_path / "two")
    assert (code, "the join token was used" in said) == (2, True), said
    assert not (tmp_path / "two" / "ca.pem").exists()
    brief = signing.token("--ttl", "1ms")
    code, said = signing.join(brief, tmp_path / "three")
    assert (code, "it has expired" in said) == (2, True), said
    log = signing.folder / "first-node" / "node.log"
    for file in (log, signing.folder / "audit.log"):
        assert secret not in file.read_text()
    audit = [json.loads(line) for line in (signing.folder / "audit.log").read_text().splitlines()]
    joins = [line["outcome"] for line in audit if line["what"] == "AccessService/Join"]
    assert "OK" in joins
    assert any(outcome != "OK" for outcome in joins)


def test_a_token_of_another_cluster_proves_nothing(signing: Signing, tmp_path: Path) -> None:
    """Its CA is not that of the node that answers, so the secret is not even sent."""
    other = CertificateFolder(tmp_path / "other")
    other.make_authority("test CA", 10)
    token = join_token(signing.token().read_text().strip())
    file = tmp_path / "forged"
    write_secret(
        file, type(token)(token.id, token.secret, token.node_url, token.address, other.ca.read_text()).text
    )
    code, said = signing.join(file, tmp_path / "new")
    assert code == 1, said
    assert "its certificate can't be trusted" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "new" / "ca.pem").exists()


def test_only_who_may_do_everything_makes_tokens(signing: Signing, tmp_path: Path) -> None:
    for name, roles in (("op", ["operator"]), ("adm", ["admin"]), ("both", ["admin", "operator"])):
        given = [part for role in roles for part in ("--role", role)]
        (tmp_path / name).write_text(signing.limedb("admin", "user", "add", name, *given))
        asked = ("admin", "token", "join", signing.new_url, "--target", signing.address)
        done = limedb(*asked, "--ca", str(signing.certs.ca), "--token-file", str(tmp_path / name))
        assert (done.returncode == 0) is (name == "both"), done.stderr
