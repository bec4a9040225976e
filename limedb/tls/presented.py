"""The content of a caller's certificate, read once for each certificate.

It owns the reading of the certificate from gRPC, which has verified it: PEM. It must never decide what its
holder may do.

Tested in tests/tls/test_revocation.py.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import grpc

from limedb.tls import certificates

PEM = "x509_pem_cert"
"""gRPC's property of a connection: the caller's certificate."""
MOST = 4096
"""The certificates that are kept as read."""


class Presented(NamedTuple):
    """A certificate. user: the one that it names; empty: none. issuer: the CA's name, in DER."""

    user: str
    issuer: bytes
    serial: int

    @property
    def number(self) -> str:
        """Its serial number, as `limedb certs show` has it."""
        return f"{self.serial:x}"


def presented_by(context: "grpc.aio.ServicerContext[Any, Any]") -> Presented | None:
    """The certificate of a caller; None: it showed none."""
    pem = next(iter(context.auth_context().get(PEM, ())), b"")
    return read(pem) if pem else None


@lru_cache(MOST)
def read(pem: bytes) -> Presented:
    """The content of a certificate."""
    certificate = certificates.read(pem)[0]
    facts = certificates.facts_of(certificate)
    return Presented(facts.user, certificate.issuer.public_bytes(), facts.serial)


@lru_cache(MOST)
def is_issued(pem: bytes, own_chain: bytes, authorities: bytes) -> bool:
    """Whether a CA has issued a certificate, directly or by one that stands in the own chain."""
    between = certificates.read(own_chain)[1:]
    trusted = certificates.read(authorities)
    sound = [each for each in between if certificates.comes_from([each], trusted)]
    return certificates.comes_from(certificates.read(pem)[:1], [*trusted, *sound])
