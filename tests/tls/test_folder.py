"""The files of certificates: their rights, and that none is replaced unasked."""

import stat
from pathlib import Path

import pytest

from limedb.errors import ConfigError
from limedb.tls.authority import Holder
from limedb.tls.certificates import comes_from, facts_of
from limedb.tls.certificates import read as certificates_in
from limedb.tls.folder import CertificateFolder, file_name, read
from limedb.tls.revocation import read_lists

ALICE = Holder("client", "alice")


@pytest.fixture
def folder(tmp_path: Path) -> CertificateFolder:
    made = CertificateFolder(tmp_path / "certs")
    made.make_authority("CA", 100)
    return made


def test_only_their_owner_may_read_them(folder: CertificateFolder) -> None:
    folder.issue("alice", ALICE, 10)
    files = sorted(folder.path.iterdir())
    assert [path.name for path in files] == ["alice.key", "alice.pem", "ca.key", "ca.pem"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_file_that_is_there_stays(folder: CertificateFolder) -> None:
    folder.issue("alice", ALICE, 10)
    before = {path: path.read_bytes() for path in folder.path.iterdir()}
    for make in (
        lambda: folder.make_authority("CA", 100),
        lambda: folder.issue("alice", ALICE, 10),
        lambda: folder.request("alice", ALICE),
    ):
        with pytest.raises(ConfigError, match="--force"):
            make()
    assert {path: path.read_bytes() for path in folder.path.iterdir()} == before


def test_a_folder_that_may_replace_does(folder: CertificateFolder) -> None:
    path = folder.issue("alice", ALICE, 10)
    before = path.read_bytes()
    CertificateFolder(folder.path, replaces=True).issue("alice", ALICE, 10)
    assert path.read_bytes() != before


def test_a_renewed_certificate_has_the_same_holder_and_another_key(folder: CertificateFolder) -> None:
    path = folder.issue("alice", ALICE, 1)
    before, key = facts_of(read(path)[0]), folder.key("alice").read_bytes()
    folder.renew(path, 50)
    after = facts_of(read(path)[0])
    assert (after.subject, after.role) == (before.subject, before.role)
    assert after.days_left() > 49
    assert folder.key("alice").read_bytes() != key


def test_it_renews_neither_a_ca_nor_what_another_has_issued(
    folder: CertificateFolder, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="it is a CA"):
        folder.renew(folder.ca, 1)
    other = CertificateFolder(tmp_path / "other")
    other.make_authority("CA", 100)
    with pytest.raises(ConfigError, match="has not issued it"):
        folder.renew(other.issue("bob", Holder("client", "bob"), 1), 1)


def test_without_a_ca_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="limedb certs init"):
        CertificateFolder(tmp_path).issue("alice", ALICE, 1)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("http://node1:8484", "node1-8484"),
        ("http://[::1]:1", "1-1"),
        ("../../x", "x"),
        ("///", "certificate"),
    ],
)
def test_a_name_leads_nowhere_else(text: str, name: str) -> None:
    assert file_name(text) == name


def test_nothing_takes_the_place_of_the_ca(folder: CertificateFolder) -> None:
    before = folder.ca.read_bytes()
    replacing = CertificateFolder(folder.path, replaces=True)
    for make in (replacing.issue, lambda name, holder, _: replacing.request(name, holder)):
        with pytest.raises(ConfigError, match="is the CA's"):
            make("ca", ALICE, 10)
    assert folder.ca.read_bytes() == before


def test_a_key_of_the_ca_that_is_away_is_to_be_brought_back(folder: CertificateFolder) -> None:
    folder.key("ca").unlink()
    with pytest.raises(ConfigError, match="Bring it back") as refused:
        folder.issue("alice", ALICE, 10)
    assert "limedb certs init" not in str(refused.value)


@pytest.mark.parametrize("newer_first", [True, False])
def test_while_one_ca_follows_another_the_newer_one_renews_and_each_revokes_its_own(
    folder: CertificateFolder, tmp_path: Path, newer_first: bool
) -> None:
    """As docs/security.md has it: first both CAs everywhere, then other certificates, then one CA again."""
    path = folder.issue("alice", ALICE, 1)
    old, newer = folder.ca.read_bytes(), CertificateFolder(tmp_path / "newer", replaces=True)
    new = newer.make_authority("CA", 100).read_bytes()
    newer.ca.write_bytes(new + old if newer_first else old + new)
    with pytest.raises(ConfigError, match="has not issued it"):
        newer.revoke([path])
    assert not newer.revoked.exists()
    newer.renew(path, 50)
    chain = read(path)
    assert comes_from(chain, certificates_in(new))
    assert not comes_from(chain, certificates_in(old))
    newer.revoke([path])
    newer.revoke([], [77])
    assert [each.serial_number for each in read_lists(newer.revoked.read_bytes())[0]] == sorted(
        [77, chain[0].serial_number]
    )


def test_a_key_of_no_ca_in_the_file_is_refused(folder: CertificateFolder, tmp_path: Path) -> None:
    other = CertificateFolder(tmp_path / "other")
    other.make_authority("CA", 100)
    folder.ca.write_bytes(other.ca.read_bytes())
    for use in (lambda: folder.issue("alice", ALICE, 1), lambda: folder.revoke([])):
        with pytest.raises(ConfigError, match="don't belong together"):
            use()
