"""The certificates that a local cluster makes for itself. Tests limedb/launch/certificates.py."""

from pathlib import Path

import pytest
import yaml

from limedb.config import load
from limedb.errors import ConfigError
from limedb.launch.certificates import LocalCertificates
from limedb.launch.envoy import Address, EnvoyOptions, EnvoyTls, Shown, Upstream, render
from limedb.launch.plan import LaunchPlan, make_launch, next_node
from limedb.launch.records import Folder
from limedb.tls.authority import Holder
from limedb.tls.certificates import facts_of
from limedb.tls.folder import CertificateFolder, read
from limedb.tls.keyring import Keyring
from limedb.tls.paths import paths_of
from tests.support.ports import free_ports

URL = "http://127.0.0.1:7001"


def test_nodes_can_use_what_it_makes(tmp_path: Path) -> None:
    settings = LocalCertificates(tmp_path).settings("node1", URL)
    _, peers = paths_of(load(settings))
    assert peers is not None
    assert Keyring(peers, URL).facts.role == "node"


def test_what_is_there_and_lasts_stays(tmp_path: Path) -> None:
    made = LocalCertificates(tmp_path)
    cert = Path(made.settings("node1", URL)["TLS_CERT"])
    before = cert.read_bytes()
    made.settings("node1", URL)
    assert cert.read_bytes() == before
    made.settings("node1", "http://127.0.0.1:7002")  # another port: another name
    assert cert.read_bytes() != before


def test_what_expires_soon_is_replaced(tmp_path: Path) -> None:
    made = LocalCertificates(tmp_path)
    cert = Path(made.envoy("127.0.0.1")["TLS_CERT"])
    holder = Holder("server", "envoy", facts_of(read(cert)[0]).names)
    CertificateFolder(cert.parent, replaces=True).issue("envoy", holder, 10)
    made.envoy("127.0.0.1")
    assert facts_of(read(cert)[0]).days_left() > 300


def plan(tmp_path: Path, ports: list[int], **options: object) -> LaunchPlan:
    return LaunchPlan(
        Folder(tmp_path / "cluster"), 2, ports[0], with_envoy=False, tls=True,
        settings={"PEER_PORT_OFFSET": "3"}, **options,
    )  # type: ignore[arg-type]  # fmt: skip


def test_each_node_has_its_own_and_one_that_is_added_too(tmp_path: Path) -> None:
    with free_ports(6) as ports:
        launch = make_launch(plan(tmp_path, ports))
        added = next_node(Folder(tmp_path / "cluster"), launch)
    nodes = [*launch.nodes, added]
    assert len({node.settings["TLS_CERT"] for node in nodes}) == 3
    for node in nodes:
        _, peers = paths_of(load(node.settings))
        assert peers is not None
        assert Keyring(peers, node.url).days_left > 300
        assert node.target.tls is not None
        node.target.tls.read()


def test_a_file_can_not_be_given_to_all_nodes(tmp_path: Path) -> None:
    given = LaunchPlan(Folder(tmp_path), 1, 7001, settings={"TLS_CERT": "x"}, with_envoy=False)
    with pytest.raises(ConfigError, match="--tls decides this one"):
        make_launch(given)


def test_nodes_do_not_inherit_files_from_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLS_CERT", "/etc/other.pem")
    with free_ports(4) as ports:
        launch = make_launch(LaunchPlan(Folder(tmp_path), 2, ports[0], with_envoy=False))
    assert all("TLS_CERT" not in node.settings for node in launch.nodes)


def test_envoy_speaks_nothing_older_and_asks_for_a_node() -> None:
    options = EnvoyOptions(
        (Upstream(URL, "127.0.0.1", 7001),),
        Address("0.0.0.0", 8484),
        "/x",
        tls=EnvoyTls(Shown("/c.pem", "/c.key"), "/ca.pem", Shown("/n.pem", "/n.key")),
    )
    resources = yaml.safe_load(render(options))["static_resources"]
    (chain,) = resources["listeners"][0]["filter_chains"]
    ours = chain["transport_socket"]["typed_config"]["common_tls_context"]
    theirs = resources["clusters"][0]["transport_socket"]["typed_config"]["common_tls_context"]
    for context, cert in ((ours, "/c.pem"), (theirs, "/n.pem")):
        assert context["tls_params"]["tls_minimum_protocol_version"] == "TLSv1_3"
        assert context["tls_certificates"][0]["certificate_chain"]["filename"] == cert
    validation = theirs["validation_context"]
    assert validation["trusted_ca"]["filename"] == "/ca.pem"
    assert validation["match_typed_subject_alt_names"] == [
        {"san_type": "DNS", "matcher": {"suffix": ".node.limedb.internal"}}
    ]


def test_envoy_without_certificates_is_in_the_clear() -> None:
    options = EnvoyOptions((Upstream(URL, "127.0.0.1", 7001),), Address("127.0.0.1", 8484), "/x")
    assert "transport_socket" not in render(options)
