"""Join tokens: with one a new node obtains its certificate, once.

It owns the records of these tokens under a reserved prefix, and the decision about each certificate. The
operator decides the whole content of a certificate when the token is made; the new node only contributes a
public key. It must never store a token's secret, nor keep the CA's key in memory.

A token is valid only at the node that made it. That node has the CA's key, and takes one request after the
other, so no token is used twice; it marks the record as used, at LINEARIZABLE, before it signs anything. The
record expires by the cluster's time, and the token with it. A node whose answer was lost asks again with the
same key, and gets another certificate (docs/decisions/0025-join-tokens.md).

Tested in tests/access/test_joining.py and tests/tls/test_joining.py.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from limedb.access.join_token import JoinToken
from limedb.access.tokens import digest_of, is_same, new_secret, read_private
from limedb.access.users import Keys
from limedb.core.node_urls import address_of
from limedb.core.quorum import Level
from limedb.core.reserved import PREFIX
from limedb.errors import (
    ConfigError,
    InvalidRequestError,
    KeyNotFoundError,
    OverloadedError,
    StoreCorruptError,
)
from limedb.replication.requests import Write
from limedb.tls import authority, certificates
from limedb.tls.authority import Made

JOINS = f"{PREFIX}joins/"
HOUR_MS, WEEK_MS = 3_600_000, 7 * 24 * 3_600_000
DAYS = 365.0
"""How long the certificates are valid."""
MOST_WAITING = 16
"""The requests of new nodes that wait for each other; one more is refused: strangers may send some, too."""
MAX_HOSTS, MAX_CSR = 16, 16 << 10
ID_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Invitation:
    """The stored facts of a token. issuer: the NODE_URL of the node that made it. used_by: the SHA-256 of the
    public key that it was used for; empty: it wasn't. times in milliseconds.
    """

    node_url: str
    hosts: tuple[str, ...]
    sha256: str
    issuer: str
    expires_at_ms: int
    used_by: str = ""


def invitation_from(text: str | bytes) -> Invitation:
    """The facts from their stored form. StoreCorruptError: it isn't such a form."""
    try:
        fields = json.loads(text)
        return Invitation(**{**fields, "hosts": tuple(fields["hosts"])})
    except (ValueError, TypeError, KeyError) as error:
        raise StoreCorruptError(f"the record of a join token can't be read: {type(error).__name__}") from None


class Signer:
    """The CA of a node that has the CA's key. key: its file. trusted: the CAs of nodes, in PEM. served: the
    certificate that clients see, in PEM. ConfigError: the key isn't that of one of these CAs.
    """

    def __init__(self, key: Path, trusted: Callable[[], bytes], served: Callable[[], bytes]) -> None:
        self._key, self.trusted, self._served = key, trusted, served
        self.read()

    def read(self) -> Made:
        """The CA's certificate and key of this moment. ConfigError: they can't be used."""
        key = read_private("TLS_CA_KEY", self._key)
        try:
            found = authority.certificate_of(Made(self.trusted(), key))
        except ValueError as flaw:
            must = f"the key of a CA in TLS_CA (or PEER_TLS_CA): {flaw}"
            raise ConfigError("TLS_CA_KEY", self._key, must) from None
        return Made(found.public_bytes(Encoding.PEM), key)

    def is_served(self, ca: Made) -> bool:
        """Whether the new node can check the connection by the CA alone."""
        return certificates.comes_from(certificates.read(self._served()), certificates.read(ca.cert))


class Joining:
    """The join tokens of a node. signer: None: it has no key of a CA. is_living: whether a node of that name
    lives. address: at which new nodes reach this one.
    """

    def __init__(
        self,
        keys: Keys,
        signer: Signer | None,
        own_url: str,
        address: str,
        wall_ms: Callable[[], int],
        is_living: Callable[[str], bool],
    ) -> None:
        self._keys, self._signer, self._own_url, self._address = keys, signer, own_url, address
        self._wall_ms, self._is_living = wall_ms, is_living
        self._lock, self._waiting = asyncio.Lock(), 0

    async def invite(self, node_url: str, hosts: Sequence[str], ttl_ms: int, deadline: float) -> str:
        """A token for a node. InvalidRequestError: no token is possible for such a node, or from this one."""
        signer = self._signed()
        if not 0 <= ttl_ms <= WEEK_MS:
            raise InvalidRequestError(f"ttlMs={ttl_ms}: must be 1 to {WEEK_MS} (a week), or 0 for an hour")
        if len(hosts) > MAX_HOSTS:
            raise InvalidRequestError(f"hosts holds {len(hosts)} items: must be {MAX_HOSTS} at most")
        _holder(node_url, hosts)
        self._check_free(node_url)
        ca = await asyncio.to_thread(signer.read)
        if not signer.is_served(ca):
            raise InvalidRequestError(
                "TLS_CERT of this node comes from another CA than its peers': use `limedb certs`"
            )
        token = JoinToken(
            new_secret()[:ID_CHARACTERS], new_secret(), node_url, self._address, ca.cert.decode()
        )
        lasts = ttl_ms or HOUR_MS
        made = Invitation(
            node_url, tuple(hosts), digest_of(token.secret).hex(), self._own_url, self._wall_ms() + lasts
        )
        await self._write(token.id, made, lasts, deadline)
        return token.text

    async def redeem(
        self, number: str, secret: str, node_url: str, csr: bytes, deadline: float
    ) -> tuple[bytes, bytes]:
        """A certificate, and the CAs, in PEM. InvalidRequestError: there is none for this."""
        signer = self._signed()
        if self._waiting >= MOST_WAITING:
            raise OverloadedError("joins", 1, self._waiting, MOST_WAITING, "requests")
        self._waiting += 1
        try:
            async with self._lock:
                return await self._redeemed(signer, number, secret, node_url, csr, deadline)
        finally:
            self._waiting -= 1

    async def _redeemed(
        self, signer: Signer, number: str, secret: str, node_url: str, csr: bytes, deadline: float
    ) -> tuple[bytes, bytes]:
        key = _public_key(csr)
        found = await self._find(number, deadline)
        if found is None or not is_same(digest_of(secret), bytes.fromhex(found.sha256)):
            raise InvalidRequestError(
                "the join token is not valid: it has expired, or another cluster made it; `limedb admin token"
                " join` makes a new one"
            )
        if found.issuer != self._own_url:
            raise InvalidRequestError(f"the join token counts at {found.issuer} alone, which made it")
        if found.node_url != node_url:
            raise InvalidRequestError(f"the join token is for another NODE_URL than {node_url!r:.300}")
        used_by = sha256(key).hexdigest()
        if found.used_by not in ("", used_by):
            raise InvalidRequestError("the join token was used: `limedb admin token join` makes a new one")
        self._check_free(node_url)
        if not found.used_by:
            left = found.expires_at_ms - self._wall_ms()
            await self._write(number, replace(found, used_by=used_by), max(1, left), deadline)
        return await asyncio.to_thread(_issued, signer, found, csr), signer.trusted()

    def _signed(self) -> Signer:
        if self._signer is None:
            raise InvalidRequestError(
                f"{self._own_url} has no key of a CA (TLS_CA_KEY): ask a node that has one, or make the"
                " certificate by `limedb certs node`"
            )
        return self._signer

    def _check_free(self, node_url: str) -> None:
        if node_url == self._own_url or self._is_living(node_url):
            raise InvalidRequestError(
                f"{node_url!r:.300} is a living node: another one can't have its name. A certificate that was"
                " lost: `limedb certs revoke` it, and stop that node first"
            )

    async def _find(self, number: str, deadline: float) -> Invitation | None:
        if not number or len(number) > ID_CHARACTERS or not number.isascii():
            return None
        try:
            found = await self._keys.get(JOINS + number, Level.LINEARIZABLE, deadline)
        except KeyNotFoundError:
            return None
        return invitation_from(found.value)

    async def _write(self, number: str, made: Invitation, ttl_ms: int, deadline: float) -> None:
        write = Write(JOINS + number, json.dumps(asdict(made)), ttl_ms=ttl_ms)
        await self._keys.write(write, Level.LINEARIZABLE, deadline)


def _holder(node_url: str, hosts: Sequence[str]) -> authority.Holder:
    try:
        own = address_of(node_url).rpartition(":")[0].strip("[]")
        return authority.node_holder(node_url, dict.fromkeys([own, *hosts]))
    except ValueError as flaw:
        raise InvalidRequestError(f"nodeUrl={node_url!r:.300}: {flaw}") from None


def _public_key(csr: bytes) -> bytes:
    """The public key of a request, whose holder has the private one. InvalidRequestError: it isn't one."""
    try:
        if len(csr) > MAX_CSR:
            raise ValueError
        request = x509.load_pem_x509_csr(csr)
        if not request.is_signature_valid:
            raise ValueError
        return request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError):
        raise InvalidRequestError("csr: must be a signed request for a certificate (PKCS #10, PEM)") from None


def _issued(signer: Signer, found: Invitation, csr: bytes) -> bytes:
    try:
        return authority.issue_for(signer.read(), _holder(found.node_url, found.hosts), DAYS, csr)
    except ValueError as flaw:
        raise InvalidRequestError(f"csr: {flaw}") from None
