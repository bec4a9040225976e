"""Lists of revoked certificates. Tests limedb/tls/presented.py too."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from limedb.errors import ConfigError
from limedb.tls.authority import Holder, Made, issue, new_authority, revoke
from limedb.tls.certificates import read
from limedb.tls.folder import CertificateFolder
from limedb.tls.presented import is_issued
from limedb.tls.presented import read as shown_in
from limedb.tls.revocation import Revocations, read_lists

ALICE, BOB = Holder("client", "alice"), Holder("client", "bob@home")


@pytest.fixture(scope="module")
def ca() -> Made:
    return new_authority("test CA", 100)


def serial_of(made: Made) -> int:
    return read(made.cert)[0].serial_number


def test_a_certificate_names_its_user(ca: Made) -> None:
    assert shown_in(issue(ca, ALICE, 1).cert).user == "alice"
    assert shown_in(issue(ca, BOB, 1).cert).user == "bob@home"
    assert shown_in(issue(ca, Holder("client", "../ä b"), 1).cert).user == "../ä b"
    assert not shown_in(issue(ca, Holder("server", "alice", ("localhost",)), 1).cert).user


def test_those_on_the_list_are_revoked_and_stay_so(ca: Made, tmp_path: Path) -> None:
    alice, bob, file = issue(ca, ALICE, 1), issue(ca, BOB, 1), tmp_path / "ca.crl"
    file.write_bytes(revoke(ca, [serial_of(alice)], None))
    revocations = Revocations(file, lambda: ca.cert)
    assert revocations.has(shown_in(alice.cert))
    assert not revocations.has(shown_in(bob.cert))
    file.write_bytes(revoke(ca, [serial_of(bob)], read_lists(file.read_bytes())[0]))
    revocations.look()
    assert revocations.has(shown_in(alice.cert))
    assert revocations.has(shown_in(bob.cert))


def test_each_ca_has_a_list_of_its_own(ca: Made, tmp_path: Path) -> None:
    other, file = new_authority("other CA", 100), tmp_path / "both.crl"
    alice, same = issue(ca, ALICE, 1), issue(other, ALICE, 1)
    file.write_bytes(revoke(ca, [serial_of(alice)], None) + revoke(other, [], None))
    revocations = Revocations(file, lambda: ca.cert + other.cert)
    assert revocations.has(shown_in(alice.cert))
    assert not revocations.has(shown_in(same.cert))


def test_a_list_that_has_ended_still_counts(tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=50)
    ca, file = new_authority("old CA", 10, long_ago), tmp_path / "ca.crl"
    file.write_bytes(revoke(ca, [77], None, long_ago))
    revocations = Revocations(file, lambda: ca.cert)
    assert revocations.has(shown_in(issue(ca, ALICE, 1, now=long_ago).cert)._replace(serial=77))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"forged", b"a certificate"])
def test_a_file_that_proves_nothing_is_refused(ca: Made, tmp_path: Path, content: bytes) -> None:
    forged = revoke(new_authority("test CA", 1), [1], None)  # the same name, another key
    file = tmp_path / "ca.crl"
    file.write_bytes({b"forged": forged, b"a certificate": ca.cert}.get(content, content))
    with pytest.raises(ConfigError, match="TLS_REVOKED"):
        Revocations(file, lambda: ca.cert)


def test_a_bad_change_changes_nothing_and_is_reported(ca: Made, tmp_path: Path) -> None:
    alice, file = issue(ca, ALICE, 1), tmp_path / "ca.crl"
    file.write_bytes(revoke(ca, [serial_of(alice)], None))
    revocations = Revocations(file, lambda: ca.cert)
    file.write_bytes(b"half a li")
    revocations.look()
    assert revocations.has(shown_in(alice.cert))
    assert "continues with the list that it has" in next(iter(revocations.problems())).text
    file.write_bytes(revoke(ca, [], None))
    revocations.look()
    assert not list(revocations.problems())
    assert not revocations.has(shown_in(alice.cert))


def test_a_folder_revokes_only_what_its_ca_has_issued(tmp_path: Path) -> None:
    folder, other = CertificateFolder(tmp_path / "one"), CertificateFolder(tmp_path / "other")
    folder.make_authority("one", 10)
    other.make_authority("other", 10)
    mine, foreign = folder.issue("alice", ALICE, 1), other.issue("alice", ALICE, 1)
    with pytest.raises(ConfigError, match="has not issued it"):
        folder.revoke([mine, foreign])
    with pytest.raises(ConfigError, match="it is a CA's"):
        folder.revoke([folder.ca])
    assert not folder.revoked.exists()
    folder.revoke([mine], [99])
    folder.revoke([])
    (found,) = read_lists(folder.revoked.read_bytes())
    assert {entry.serial_number for entry in found} == {99, read(mine.read_bytes())[0].serial_number}
    assert found.next_update_utc == read(folder.ca.read_bytes())[0].not_valid_after_utc
    other.revoked.write_bytes(folder.revoked.read_bytes())
    with pytest.raises(ConfigError, match="it isn't the list of"):
        other.revoke([foreign])


def test_who_issued_a_certificate_is_known(ca: Made) -> None:
    other = new_authority("other CA", 100)
    alice = issue(ca, ALICE, 1)
    assert is_issued(alice.cert, alice.cert, ca.cert)
    assert not is_issued(alice.cert, alice.cert, other.cert)
