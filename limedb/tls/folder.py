"""A folder of certificates: the CA's two files, and two for each holder.

It owns the files' names and rights: only their owner may read them. It must never replace a file unasked, nor
leave half of one behind.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509

from limedb.errors import ConfigError
from limedb.tls import authority, certificates
from limedb.tls.authority import Holder, Made
from limedb.tls.revocation import is_of, read_lists

CA = "ca"


class CertificateFolder:
    """The files in a folder. replaces: whether files may be replaced. issuer: the folder of the CA; None: the
    same one.
    """

    def __init__(self, path: Path, replaces: bool = False, issuer: Path | None = None) -> None:
        self.path, self._replaces = path.expanduser(), replaces
        self._issuer = issuer or self.path

    @property
    def ca(self) -> Path:
        """The CA's certificate, which everybody needs."""
        return self._issuer / f"{CA}.pem"

    def cert(self, name: str) -> Path:
        """The certificate of a holder."""
        return self.path / f"{name}.pem"

    def key(self, name: str) -> Path:
        """The key of a holder."""
        return self.path / f"{name}.key"

    def make_authority(self, name: str, days: float) -> Path:
        """Make a CA. ConfigError: there is one already."""
        made = authority.new_authority(name, days)
        self._write({self._ca_key: made.key, self.ca: made.cert})
        return self.ca

    def issue(self, name: str, holder: Holder, days: float) -> Path:
        """Make a certificate and its key. ConfigError: there is one already, or the CA can't be used."""
        self._check_free(name)
        with _refusals(self.ca):
            made = authority.issue(self._authority(), holder, days)
        self._write({self.key(name): made.key, self.cert(name): made.cert})
        return self.cert(name)

    def keep(self, name: str, holder: Holder, days: float, spare_days: float) -> bool:
        """Make a certificate and its key, unless there is one of this CA for these names that is valid for so
        many days more. Return whether it did. ConfigError.
        """
        if self.cert(name).exists() and self.key(name).exists():
            chain = read(self.cert(name))
            facts = certificates.facts_of(chain[0])
            is_ours = certificates.comes_from(chain[:1], read(self.ca))
            if is_ours and facts.days_left() > spare_days and set(holder.hosts) <= set(facts.names):
                return False
        self.issue(name, holder, days)
        return True

    def request(self, name: str, holder: Holder) -> Path:
        """Make a key, and a request for another CA. ConfigError: there is one already."""
        self._check_free(name)
        path = self.path / f"{name}.csr"
        with _refusals(path):
            made = authority.request(holder)
        self._write({self.key(name): made.key, path: made.cert})
        return path

    def renew(self, cert: Path, days: float) -> Path:
        """Replace a certificate, and its key, by new ones for the same holder. ConfigError: it can't be read,
        this folder's CA hasn't issued it, or the CA can't be used.
        """
        old = read(cert)
        with _refusals(cert):
            ca = self._authority()
            if certificates.facts_of(old[0]).is_ca:
                raise ValueError("it is a CA: make a new one, and give all nodes both for a while")
            if not certificates.comes_from(old[:1], certificates.read(ca.cert)):
                raise ValueError(f"{self.ca} has not issued it")
            made = authority.issue(ca, authority.holder_of(old[0]), days)
        replace_file(cert.with_suffix(".key"), made.key)
        replace_file(cert, made.cert)
        return cert

    @property
    def _ca_key(self) -> Path:
        return self._issuer / f"{CA}.key"

    @property
    def revoked(self) -> Path:
        """The list of revoked certificates."""
        return self.path / f"{CA}.crl"

    def revoke(self, certs: Sequence[Path], serials: Collection[int] = ()) -> Path:
        """Add certificates to the list of revoked ones, which is made if it isn't there. ConfigError: one
        can't be read, this folder's CA hasn't issued it, or the CA can't be used.
        """
        numbers, ca = set(serials), self._authority()
        with _refusals(self.ca):
            issuer = authority.certificate_of(ca)
        for cert in certs:
            found = read(cert)[:1]
            with _refusals(cert):
                if not certificates.comes_from(found, [issuer]):  # the list of one CA can't name another's
                    raise ValueError(f"the CA of {self._ca_key} has not issued it")
                if certificates.facts_of(found[0]).is_ca:
                    raise ValueError("it is a CA's: only certificates of nodes and clients can be revoked")
            numbers.add(found[0].serial_number)
        with _refusals(self.revoked):
            made = authority.revoke(ca, numbers, self._earlier(issuer))
        replace_file(self.revoked, made)
        return self.revoked

    def _earlier(self, issuer: x509.Certificate) -> x509.CertificateRevocationList | None:
        """The list so far. ValueError: it isn't a list of this CA: replacing it would undo revocations."""
        if not self.revoked.exists():
            return None
        lists = read_lists(_content(self.revoked))
        if len(lists) != 1 or not is_of(lists[0], issuer):
            raise ValueError(f"it isn't the list of {self.ca}")
        return lists[0]

    def _check_free(self, name: str) -> None:
        if name == CA:
            raise ConfigError("name", name, f"another one: {self.ca} is the CA's")

    def _authority(self) -> Made:
        if self.ca.exists() and not self._ca_key.exists():
            raise ConfigError(
                "file",
                str(self._ca_key),
                f"there: only with it {self.ca} issues certificates. Bring it back from where it is kept; a"
                " new CA would not be the one that nodes and clients know",
            )
        return Made(_content(self.ca), _content(self._ca_key))

    def _write(self, contents: Mapping[Path, bytes]) -> None:
        """Write all of some files, or none."""
        taken = [str(path) for path in contents if path.exists()]
        if taken and not self._replaces:
            raise ConfigError("--dir", str(self.path), f"without {' and '.join(taken)}; --force replaces it")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for path, content in contents.items():
                replace_file(path, content)
        except OSError as error:
            raise ConfigError("--dir", str(self.path), f"a folder for files: {error.strerror}") from None


def file_name(text: str) -> str:
    """A name for files, of a NODE_URL or a client's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text.removeprefix("http://")).strip("-.") or "certificate"


def read(path: Path) -> list[x509.Certificate]:
    """The certificates of a file. ConfigError: it has none."""
    with _refusals(path):
        return certificates.read(_content(path))


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as flaw:
        raise ConfigError("certificate", str(path), f"another one: {flaw}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError("file", str(path), "there; `limedb certs init` makes a CA") from None
    except OSError as error:
        raise ConfigError("file", str(path), f"readable: {error.strerror}") from None


def replace_file(path: Path, content: bytes) -> None:
    """Write a file as a whole, for its owner alone."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
