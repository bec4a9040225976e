"""Makes certificates: a CA for development, and its certificates; or a request for another CA.

It owns their content: ECDSA keys on P-256, the names of a node, the purposes. It must never write a file.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from limedb.core.node_urls import LOOPBACK_HOSTS
from limedb.tls import certificates
from limedb.tls.names import SUFFIX, node_name, user_uri

EARLIER = timedelta(minutes=5)
"""A certificate is valid from this long before it was made: clocks differ."""
MAX_COMMON_NAME = 64
PURPOSES = {
    "node": (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    "server": (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    "client": (ExtendedKeyUsageOID.CLIENT_AUTH,),
}


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate, or a request for one, and its key, in PEM. cert: of a CA, those of others may follow."""

    cert: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of a certificate. role: of PURPOSES. name: the common name, of a client also the user;
    empty: none. hosts: DNS names and IP addresses.
    """

    role: str
    name: str
    hosts: tuple[str, ...] = ()


def node_holder(node_url: str, hosts: Iterable[str]) -> Holder:
    """A node. hosts: at which it is reached, besides loopback, where probes ask it. ValueError: it can't be
    named, or a host is the name of a node.
    """
    hosts = check_hosts(hosts)
    all_hosts = dict.fromkeys((*(host.lower() for host in hosts), *sorted(LOOPBACK_HOSTS)))
    name = node_url.removeprefix("http://")
    return Holder("node", name if len(name) <= MAX_COMMON_NAME else "", (*all_hosts, node_name(node_url)))


def check_hosts(hosts: Iterable[str]) -> tuple[str, ...]:
    """Hosts for a certificate. ValueError: one would make its holder a node."""
    checked = tuple(hosts)
    for host in checked:
        if host.lower().rstrip(".").endswith(SUFFIX):
            raise ValueError(f"{host} is a node's name, which only `limedb certs node` gives")
    return checked


def new_key() -> bytes:
    """A new key: ECDSA on P-256, in PKCS #8."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def new_authority(name: str, days: float, now: datetime | None = None) -> Made:
    """A CA that signs itself, which issues certificates for holders and no further CAs."""
    key_pem = new_key()
    key = _key(key_pem)
    subject = _subject(name)
    builder = (
        _builder(subject, subject, key.public_key(), days, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Made(builder.sign(key, SHA256()).public_bytes(Encoding.PEM), key_pem)


def issue(
    ca: Made, holder: Holder, days: float, key_pem: bytes | None = None, now: datetime | None = None
) -> Made:
    """A certificate for a holder, which expires no later than the CA's. key_pem: of the holder; None: a new
    one. ValueError: the CA's key isn't that of its certificate, or the CA has expired.
    """
    key_pem = key_pem or new_key()
    return Made(_issued(ca, holder, days, _key(key_pem).public_key(), now), key_pem)


def issue_for(ca: Made, holder: Holder, days: float, csr: bytes) -> bytes:
    """The same for the public key of a request (PEM), whose names don't count. ValueError: as `issue`, or its
    key is of another kind.
    """
    public = x509.load_pem_x509_csr(csr).public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ValueError("the key is not one of ECDSA, as `limedb certs` makes them")
    return _issued(ca, holder, days, public, None)


def _issued(
    ca: Made, holder: Holder, days: float, public: ec.EllipticCurvePublicKey, now: datetime | None
) -> bytes:
    authority, signer = _signer(ca, now)
    left = certificates.facts_of(authority).days_left(now)
    builder = _builder(_subject(holder.name), authority.subject, public, min(days, left), now)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(authority)), critical=False
    )
    for extension, is_critical in _extensions(holder):
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(signer, SHA256()).public_bytes(Encoding.PEM)


def revoke(
    ca: Made,
    serials: Iterable[int],
    before: x509.CertificateRevocationList | None,
    now: datetime | None = None,
) -> bytes:
    """The list of revoked certificates (CRL) of a CA, in PEM: those on an earlier list, and more. It is valid
    as long as the CA's certificate, since for nodes an old list is better than none. ValueError: as `issue`.
    """
    authority, key = _signer(ca, now)
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    kept = {entry.serial_number: entry.revocation_date_utc for entry in before or ()}
    dates = {**dict.fromkeys(serials, moment), **kept}
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(moment)
        .next_update(certificates.facts_of(authority).ends)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(authority)), critical=False)
        .add_extension(x509.CRLNumber(int(moment.timestamp())), critical=False)
    )
    for serial, date in sorted(dates.items()):
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(date).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def request(holder: Holder, key_pem: bytes | None = None) -> Made:
    """A request (CSR, PKCS #10) for another CA, which must issue exactly these names and purposes."""
    key_pem = key_pem or new_key()
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(holder.name))
    for extension, is_critical in _extensions(holder):
        builder = builder.add_extension(extension, is_critical)
    return Made(builder.sign(_key(key_pem), SHA256()).public_bytes(Encoding.PEM), key_pem)


def holder_of(certificate: x509.Certificate) -> Holder:
    """The holder of a certificate, so that another can be issued."""
    facts = certificates.facts_of(certificate)
    return Holder(facts.role, facts.subject, facts.names)


def certificate_of(ca: Made) -> x509.Certificate:
    """The certificate of a CA's key. While one CA follows another, the file has those of both. ValueError:
    the key is that of no CA in it.
    """
    for each in certificates.read(ca.cert):
        if certificates.belongs(ca.key, each) and certificates.facts_of(each).is_ca:
            return each
    raise ValueError("the CA's certificate and key don't belong together, or it is no CA")


def _signer(ca: Made, now: datetime | None) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The CA's certificate and key. ValueError: they don't belong together, or the CA has expired."""
    authority = certificate_of(ca)
    facts = certificates.facts_of(authority)
    if facts.days_left(now) <= 0:
        raise ValueError(f"the CA expired on {facts.ends:%Y-%m-%d}")
    return authority, _key(ca.key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    days: float,
    now: datetime | None,
) -> x509.CertificateBuilder:
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - EARLIER)
        .not_valid_after(moment + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _extensions(holder: Holder) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage(PURPOSES[holder.role]), False),
    ]
    names = [_general(host) for host in holder.hosts]
    if holder.role == "client" and holder.name:
        names.append(x509.UniformResourceIdentifier(user_uri(holder.name)))
    if names:
        found.append((x509.SubjectAlternativeName(names), not holder.name))
    return found


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is not one of ECDSA, as `limedb certs` makes them")
    return key


def _public(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("the CA's key is not one of ECDSA, as `limedb certs` makes them")
    return key
