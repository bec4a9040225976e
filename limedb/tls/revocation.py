"""The lists of revoked certificates, as their file has them now.

It owns the reading of the file, its check against the CAs, and the following of its changes. After a change,
it ignores a file that can't be used: the node continues with its earlier list, and reports that. It must
never close a connection.

The file holds lists in the usual form (CRL, RFC 5280), one for each CA, each signed by its CA: so replacing
the file doesn't suffice to revoke a certificate, the lists of other CAs work as well, and a node knows the
revoked certificates before it knows any other node. An expired list still counts, since revocations don't
expire (docs/decisions/0020-node-certificates.md).

Tested in tests/tls/test_revocation.py.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509

from limedb.core.problems import Problem
from limedb.errors import ConfigError
from limedb.tls import certificates
from limedb.tls.keyring import LOOK_SECONDS, stamp_of
from limedb.tls.presented import Presented

log = logging.getLogger(__name__)

SETTING = "TLS_REVOKED"
_LIST = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)

Revoked = frozenset[tuple[bytes, int]]
"""Certificates: the name of the issuer, and the serial number."""


class Revocations:
    """The lists in a file. authorities: the CAs that may have made them, in PEM. on_change: called after each
    change. ConfigError: the file can't be used.
    """

    def __init__(
        self,
        path: Path,
        authorities: Callable[[], bytes],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._path, self._authorities, self.on_change = path, authorities, on_change
        self._seen = stamp_of(path)
        self._revoked = self._load()
        self.trouble = ""

    def has(self, shown: Presented) -> bool:
        """Whether a certificate was revoked."""
        return (shown.issuer, shown.serial) in self._revoked

    async def run(self) -> None:
        """Follow the file until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            before = self._revoked
            await asyncio.to_thread(self.look)
            if self._revoked != before:
                self.on_change()

    def look(self) -> None:
        """Take the file as it is now, if it has changed and can be used."""
        stamp = stamp_of(self._path)
        if stamp == self._seen:
            return
        try:
            revoked = self._load()
        except ConfigError as error:
            if str(error) != self.trouble:
                log.warning("%s; the node continues with the list that it has", error)
            self.trouble = str(error)
            return
        self._seen, self.trouble = stamp, ""
        if revoked != self._revoked:
            self._revoked = revoked
            log.info("%s has changed: %d certificates are revoked", self._path, len(revoked))

    def problems(self) -> Iterator[Problem]:
        """The warning that a new list can't be used."""
        if self.trouble:
            text = f"{self.trouble}; the node continues with the list that it has"
            yield Problem(text, is_private=True)

    def _load(self) -> Revoked:
        try:
            lists = read_lists(self._path.read_bytes())
        except OSError as error:
            raise self._flaw(f"a file that can be read: {error.strerror}") from None
        except ValueError as flaw:
            raise self._flaw(str(flaw)) from None
        authorities = certificates.read(self._authorities())
        for each in lists:
            if not any(is_of(each, ca) for ca in authorities):
                raise self._flaw("signed by a CA in TLS_CA or PEER_TLS_CA")
        return frozenset(
            (each.issuer.public_bytes(), entry.serial_number) for each in lists for entry in each
        )

    def _flaw(self, must: str) -> ConfigError:
        return ConfigError(SETTING, str(self._path), must)


def read_lists(pem: bytes) -> list[x509.CertificateRevocationList]:
    """The lists of a file. ValueError: it has none, or one that can't be read."""
    try:
        found = [x509.load_pem_x509_crl(block) for block in _LIST.findall(pem)]
    except ValueError:
        found = []
    if not found:
        raise ValueError("a list of revoked certificates in PEM; `limedb certs revoke` makes one")
    return found


def is_of(found: x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    """Whether a CA has signed a list."""
    if found.issuer != ca.subject:
        return False
    try:
        return found.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError):  # a kind of key that signs no lists
        return False
