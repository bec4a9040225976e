"""JSON Web Tokens of another system, which vouches for its users and their rights.

It decides which of them to believe. It must never take a key or an algorithm from a token.

Only signatures by a private key count (RSA, elliptic curves, Ed25519): with a symmetric key, each node that
checks tokens could make them. Each key has one algorithm, by its kind or, in a JWKS, by its own `alg`; so a
token signed by HMAC with a public key, or not at all, is refused (RFC 8725). A token must have `exp`, `sub`,
the issuer and the audience of the settings.

Tested in tests/access/test_jwts.py.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typing_extensions import override

from limedb.core.rights import Identity, parse_grant
from limedb.errors import ConfigError, UnauthenticatedError
from limedb.ports import Authenticator, Clock, Credential

LEEWAY_SECONDS = 10
"""By how much the clocks of the issuer and a node may differ."""
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ALLOWED = frozenset({*CURVES.values(), "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
MAX_NAME = 128
MIN_RSA_BITS = 2048

Key = tuple[Any, str]
"""A public key, and the algorithm of its signatures."""


class Jwts(Authenticator):
    """Recognises callers by tokens of an issuer. path: of public keys, as PEM or JWKS; read again when it
    changes. roles_claim: the claim with a list of ROLE or ROLE:PREFIX. ConfigError: it holds no key.
    """

    def __init__(self, path: Path, issuer: str, audience: str, roles_claim: str, clock: Clock) -> None:
        self._path, self._issuer, self._audience, self._claim = path, issuer, audience, roles_claim
        self._clock = clock
        self._stamp = _stamp(path)
        self._keys = read_keys(path)

    @override
    async def identity_of(self, shown: Credential, deadline: float) -> Identity | None:
        if shown.token.count(".") != 2:
            return None
        try:
            key, algorithm = self._key(jwt.get_unverified_header(shown.token))
            claims = jwt.decode(
                shown.token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise UnauthenticatedError(_why(error)) from None
        return self._identity(claims)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        roles = claims.get(self._claim, ())
        name = claims["sub"]
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise UnauthenticatedError("claims")
        try:
            grants = tuple(parse_grant(role) for role in roles if isinstance(role, str))
        except (ValueError, TypeError):
            raise UnauthenticatedError("roles") from None
        return Identity(f"jwt:{name}", grants, (int(claims["exp"]) + LEEWAY_SECONDS) * 1000)

    def _key(self, header: Mapping[str, Any]) -> Key:
        """The key that a token's header names; without a name, the only one. UnauthenticatedError: there is
        none.
        """
        self._follow_file()
        name = header.get("kid")
        if name is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        found = self._keys.get(name if isinstance(name, str) and name in self._keys else "")
        if found is None:
            raise UnauthenticatedError("key")
        return found

    def _follow_file(self) -> None:
        stamp = _stamp(self._path)
        if stamp and stamp != self._stamp:
            try:
                self._keys = read_keys(self._path)
            except ConfigError:
                return  # half written: the next token tries again
            self._stamp = stamp


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "expired"),
    (jwt.ImmatureSignatureError, "early"),
    (jwt.InvalidAudienceError, "audience"),
    (jwt.InvalidIssuerError, "issuer"),
    (jwt.MissingRequiredClaimError, "claims"),
    (jwt.InvalidAlgorithmError, "key"),
    (jwt.InvalidSignatureError, "key"),
)


def _why(error: Exception) -> str:
    """The reason of a refusal, which repeats nothing of the token, nor of the settings."""
    return next((why for kind, why in _REASONS if isinstance(error, kind)), "unknown")


def read_keys(path: Path) -> dict[str, Key]:
    """The public keys of a file, by name; a PEM has one, without a name. ConfigError."""
    try:
        data = path.read_bytes()
        if data.lstrip().startswith(b"{"):
            found = {str(key.get("kid", "")): _of_jwk(key) for key in json.loads(data)["keys"]}
            keys = {name: key for name, key in found.items() if key is not None}
        else:
            public = load_pem_public_key(data)
            keys = {"": (public, _algorithm_of(public))}
    except OSError as error:
        raise ConfigError("JWT_KEYS_FILE", path, f"a file that can be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError, jwt.PyJWTError) as error:
        raise ConfigError("JWT_KEYS_FILE", path, f"public keys, as PEM or JWKS: {error!s:.200}") from None
    if not keys:
        raise ConfigError("JWT_KEYS_FILE", path, "public keys for signatures; symmetric ones don't count")
    return keys


def _of_jwk(key: Mapping[str, Any]) -> Key | None:
    """A key of a JWKS; None: it is not for signatures of this kind."""
    if key.get("kty") not in ("RSA", "EC", "OKP") or key.get("use", "sig") != "sig" or "d" in key:
        return None
    algorithm = key.get("alg")
    if algorithm is not None and algorithm not in ALLOWED:
        return None
    public = jwt.PyJWK(dict(key)).key
    return public, algorithm or _algorithm_of(public)


def _algorithm_of(key: object) -> str:
    """The algorithm of a key without a named one. ValueError: it is not supported."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    raise ValueError(f"RSA of {MIN_RSA_BITS} bits or more, P-256, P-384, P-521 or Ed25519")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
