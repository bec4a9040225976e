"""The files of a node's certificate, as it reads and follows them. Tests limedb/tls/paths.py and
limedb/tls/secrecy.py too.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from limedb.config import load
from limedb.errors import ConfigError
from limedb.tls.authority import Holder
from limedb.tls.keyring import Keyring
from limedb.tls.paths import TlsPaths, paths_of
from limedb.tls.target import ClientTls
from tests.support.certificates import LONG_AGO, Pki, settings_of

URL = "http://localhost:8484"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


def paths(tls: ClientTls) -> TlsPaths:
    assert tls.cert is not None
    assert tls.key is not None
    return TlsPaths("TLS", tls.cert, tls.key, tls.ca)


def test_it_has_what_the_files_hold(pki: Pki) -> None:
    tls = pki.node(URL)
    keyring = Keyring(paths(tls), URL)
    assert keyring.current.cert == paths(tls).cert.read_bytes()
    assert 364 < keyring.days_left < 366
    assert list(keyring.problems()) == []


def test_a_new_certificate_takes_effect_when_its_key_is_there_too(pki: Pki) -> None:
    keyring = Keyring(paths(pki.node(URL)), URL)
    first, old_key = keyring.current, paths(pki.client("unused")).key
    old_key.write_bytes(first.key)
    tls = paths(pki.node(URL))
    new_key = tls.key.read_bytes()
    tls.key.write_bytes(first.key)
    keyring.look()
    assert keyring.current == first
    assert "the key of" in keyring.trouble
    assert any("TLS_KEY" in problem.text for problem in keyring.problems())
    tls.key.write_bytes(new_key)
    keyring.look()
    assert keyring.current.key == new_key
    assert list(keyring.problems()) == []


def test_a_file_that_is_gone_changes_nothing(pki: Pki) -> None:
    tls = paths(pki.node(URL))
    keyring = Keyring(tls, URL)
    before = keyring.current
    tls.cert.unlink()
    keyring.look()
    assert keyring.current == before
    assert "a file that can be read" in keyring.trouble


def test_it_warns_in_the_last_month(pki: Pki) -> None:
    now = datetime.now(UTC)
    keyring = Keyring(paths(pki.node(URL, days=40)), URL, lambda: now)
    assert list(keyring.problems()) == []
    now += timedelta(days=11)
    assert [problem.stops_serving for problem in keyring.problems()] == [False]
    assert "expires in 29 days" in next(keyring.problems()).text
    now += timedelta(days=30)
    assert "has expired" in next(keyring.problems()).text


def bad_files(pki: Pki, tmp_path: Path) -> dict[str, tuple[ClientTls, str]]:
    other = Pki(tmp_path / "other", "another CA")
    node = pki.node(URL)
    mixed = ClientTls(pki.ca, node.cert, pki.client("bob").key)
    late = pki.node(URL, 30, "late", datetime.now(UTC) + timedelta(days=2))
    text = tmp_path / "text"
    text.write_text("hello")
    return {
        "another node": (pki.node("http://localhost:1"), "names .*, and not 8484.localhost.node"),
        "a client": (pki.client(), "for clients only"),
        "a proxy": (pki.files(Holder("server", "envoy", ("localhost",)), "envoy"), "and not 8484.localhost"),
        "expired": (pki.node(URL, 1, "old", LONG_AGO), "it expired at"),
        "not yet": (late, "it begins at"),
        "another key": (mixed, "TLS_KEY=.*must be the key of"),
        "another CA": (ClientTls(other.ca, node.cert, node.key), "that a CA in .* has issued"),
        "no certificate": (ClientTls(pki.ca, text, node.key), "TLS_CERT=.*no certificate in PEM"),
        "no key": (ClientTls(pki.ca, node.cert, text), "TLS_KEY=.*no private key"),
        "no CA": (ClientTls(text, node.cert, node.key), "TLS_CA=.*no certificate in PEM"),
        "no file": (ClientTls(pki.ca, tmp_path / "none", node.key), "TLS_CERT=.*No such file"),
    }


@pytest.mark.parametrize(
    "what",
    [
        "another node", "a client", "a proxy", "expired", "not yet", "another key", "another CA",
        "no certificate", "no key", "no CA", "no file",
    ],
)  # fmt: skip
def test_files_that_a_node_can_not_use_are_refused_in_words(what: str, pki: Pki, tmp_path: Path) -> None:
    tls, words = bad_files(pki, tmp_path)[what]
    with pytest.raises(ConfigError, match=words):
        Keyring(paths(tls), URL)


def test_a_certificate_for_clients_alone_names_no_node(pki: Pki) -> None:
    proxy = pki.files(Holder("server", "envoy", ("localhost",)), "envoy")
    assert Keyring(paths(proxy)).facts.role == "server"


FILES = {"TLS_CERT": "c", "TLS_KEY": "k", "TLS_CA": "a"}
PEER_FILES = {f"PEER_{name}": f"p{path}" for name, path in FILES.items()}


def test_without_settings_all_is_in_the_clear() -> None:
    assert paths_of(load({})) == (None, None)


def test_peers_have_the_certificate_of_clients_unless_they_have_their_own() -> None:
    clients, peers = paths_of(load(FILES))
    assert clients == peers == TlsPaths("TLS", Path("c"), Path("k"), Path("a"))
    clients, peers = paths_of(load(FILES | PEER_FILES))
    assert clients is not None
    assert clients.cert == Path("c")
    assert peers == TlsPaths("PEER_TLS", Path("pc"), Path("pk"), Path("pa"))
    assert paths_of(load(PEER_FILES)) == (None, peers)


def test_a_public_certificate_for_clients_goes_with_an_own_ca_for_peers() -> None:
    given = {"TLS_CERT": "c", "TLS_KEY": "k", **PEER_FILES}
    clients, peers = paths_of(load(given))
    assert clients is not None
    assert clients.ca is None
    assert peers is not None
    assert peers.ca == Path("pa")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"TLS_CERT": "c", "TLS_CA": "a"}, "TLS_KEY=.*go together"),
        ({"TLS_KEY": "k", "TLS_CA": "a"}, "TLS_CERT=.*go together"),
        ({"PEER_TLS_CERT": "c", **FILES}, "PEER_TLS_KEY=.*go together"),
        ({"TLS_CERT": "c", "TLS_KEY": "k"}, "TLS_CA=.*nodes prove themselves"),
        ({"TLS_CA": "a"}, "TLS_CERT=.*limedb certs node"),
        ({"TLS_CLIENT_CERT": "required"}, "TLS_CLIENT_CERT=required"),
        ({"TLS_CLIENT_CERT": "required", **PEER_FILES}, "TLS_CLIENT_CERT=required"),
        ({"SERVER_PORT": "60000", **FILES}, "PEER_PORT_OFFSET=10000: must be 5535 at most"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        paths_of(load(given))


def test_a_node_finds_its_files_by_its_settings(pki: Pki) -> None:
    _, peers = paths_of(load(settings_of(pki.node(URL))))
    assert peers is not None
    assert Keyring(peers, URL).facts.role == "node"


def test_a_key_that_others_may_read_is_a_problem_until_it_is_closed(
    pki: Pki, caplog: pytest.LogCaptureFixture
) -> None:
    files = paths(pki.node(URL))
    files.key.chmod(0o644)
    keyring = Keyring(files, URL)
    assert f"chmod 600 {files.key}" in caplog.text
    assert f"chmod 600 {files.key}" in next(iter(keyring.problems())).text
    files.key.chmod(0o640)  # as volumes of containers have it
    keyring.look()
    assert list(keyring.problems()) == []
