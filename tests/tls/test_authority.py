"""What is in the certificates that LimeDB makes. Tests limedb/tls/certificates.py too."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from limedb.tls.authority import (
    Holder,
    Made,
    check_hosts,
    holder_of,
    issue,
    new_authority,
    node_holder,
    request,
)
from limedb.tls.certificates import belongs, comes_from, facts_of, read

URL = "http://node1:8484"
NODE = node_holder(URL, ["node1", "10.0.0.7"])


@pytest.fixture(scope="module")
def ca() -> Made:
    return new_authority("test CA", 100)


def test_a_node_serves_and_calls_under_its_names(ca: Made) -> None:
    made = issue(ca, NODE, 30)
    (certificate,) = read(made.cert)
    facts = facts_of(certificate)
    assert facts.role == "node"
    assert (facts.serves, facts.calls, facts.is_ca) == (True, True, False)
    probed = {"localhost", "127.0.0.1", "::1"}
    assert set(facts.names) == {"node1", "10.0.0.7", "8484.node1.node.limedb.internal"} | probed
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert belongs(made.key, certificate)
    assert comes_from([certificate], read(ca.cert))
    assert 29 < facts.days_left() < 30.1


def test_a_client_only_calls_and_is_no_node(ca: Made) -> None:
    facts = facts_of(read(issue(ca, Holder("client", "alice"), 30).cert)[0])
    assert (facts.role, facts.subject, facts.serves, facts.calls) == ("client", "alice", False, True)
    assert facts.names == ()


def test_no_certificate_outlives_its_ca(ca: Made) -> None:
    ends = facts_of(read(ca.cert)[0]).ends
    assert facts_of(read(issue(ca, NODE, 1000).cert)[0]).ends <= ends


def test_a_ca_of_the_past_issues_nothing() -> None:
    old = new_authority("old", 1, datetime.now(UTC) - timedelta(days=5))
    with pytest.raises(ValueError, match="the CA expired"):
        issue(old, NODE, 1)


def test_a_ca_with_another_key_issues_nothing(ca: Made) -> None:
    with pytest.raises(ValueError, match="belong together"):
        issue(Made(ca.cert, new_authority("other", 1).key), NODE, 1)


def test_a_certificate_is_not_from_a_ca_of_the_same_name(ca: Made) -> None:
    other = new_authority("test CA", 100)
    assert not comes_from(read(issue(other, NODE, 1).cert), read(ca.cert))


def test_a_request_asks_for_the_same_names_and_purposes(ca: Made) -> None:
    made = request(NODE)
    asked = x509.load_pem_x509_csr(made.cert)
    assert asked.is_signature_valid
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "8484.node1.node.limedb.internal" in names.get_values_for_type(x509.DNSName)
    assert len(list(asked.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)) == 2


def test_the_holder_of_a_certificate_can_get_another(ca: Made) -> None:
    first = facts_of(read(issue(ca, NODE, 1).cert)[0])
    again = facts_of(read(issue(ca, holder_of(read(issue(ca, NODE, 1).cert)[0]), 1).cert)[0])
    assert (again.role, again.names, again.subject) == (first.role, first.names, first.subject)


@pytest.mark.parametrize(
    "pem", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(pem: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        read(pem)


@pytest.mark.parametrize("host", ["8484.node1.node.limedb.internal", "X.Node.LimeDB.internal."])
def test_a_host_is_no_other_nodes_name(host: str) -> None:
    with pytest.raises(ValueError, match="is a node's name"):
        node_holder("http://node2:8484", ["node2", host])
    with pytest.raises(ValueError, match="is a node's name"):
        check_hosts([host])
    assert check_hosts(["node1", "10.0.0.7"]) == ("node1", "10.0.0.7")
