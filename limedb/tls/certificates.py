"""The content of a certificate, and whether its files belong together.

It owns the reading of PEM and the words for its flaws. It must never read a file, nor open a connection.

Tested in tests/tls/test_authority.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from limedb.tls.names import SUFFIX, user_in


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says."""

    subject: str
    """Its common name; empty: it has none."""
    issuer: str
    """That of its issuer."""
    begins: datetime
    ends: datetime
    names: tuple[str, ...]
    """DNS names and IP addresses."""
    is_ca: bool
    serves: bool
    """Whether servers may use it."""
    calls: bool
    """Whether clients may use it."""
    key: str
    """The kind of its key, such as EC."""
    user: str
    """The user whose calls it proves; empty: it names none."""
    serial: int
    """Its number, under which its CA revokes it."""

    @property
    def role(self) -> str:
        """The role of its holder: ca, node, client or server."""
        if self.is_ca:
            return "ca"
        if any(name.endswith(SUFFIX) for name in self.names):
            return "node"
        return "server" if self.serves else "client"

    def days_left(self, now: datetime | None = None) -> float:
        """The days until it expires; negative: it has."""
        return (self.ends - (now or datetime.now(UTC))).total_seconds() / 86400


def read(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a file, the holder's first. ValueError: it has none, or one that can't be read."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError("it holds no certificate in PEM") from None


def facts_of(certificate: x509.Certificate) -> Facts:
    """What a certificate says."""
    usages = _usages(certificate)
    return Facts(
        subject=_common_name(certificate.subject),
        issuer=_common_name(certificate.issuer),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        names=_names(certificate),
        is_ca=_is_ca(certificate),
        serves=not usages or ExtendedKeyUsageOID.SERVER_AUTH in usages,
        calls=not usages or ExtendedKeyUsageOID.CLIENT_AUTH in usages,
        key=type(certificate.public_key()).__name__.removesuffix("PublicKey").lstrip("_"),
        user=user_in(_uris(certificate)),
        serial=certificate.serial_number,
    )


def belongs(key_pem: bytes, certificate: x509.Certificate) -> bool:
    """Whether a private key is that of a certificate. ValueError: it can't be read."""
    try:
        key = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError):
        raise ValueError("it holds no private key in PEM, without a passphrase") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def comes_from(chain: Sequence[x509.Certificate], authorities: Iterable[x509.Certificate]) -> bool:
    """Whether each certificate of a chain was signed by the next one, and the last by one of the CAs."""
    signed = all(_is_signed(one, other) for one, other in pairwise(chain))
    return signed and any(chain[-1] == ca or _is_signed(chain[-1], ca) for ca in authorities)


def _is_signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    names = _alternatives(certificate)
    if names is None:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def _uris(certificate: x509.Certificate) -> list[str]:
    names = _alternatives(certificate)
    return [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)


def _alternatives(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return []
