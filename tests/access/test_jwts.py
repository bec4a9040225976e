"""Which JSON Web Tokens are believed: attacks on algorithms, keys and claims."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from limedb.access.jwts import LEEWAY_SECONDS, Jwts
from limedb.core.rights import Role
from limedb.errors import ConfigError, UnauthenticatedError
from limedb.node.clock import SystemClock
from limedb.ports import Credential

ISSUER, AUDIENCE = "https://issuer", "limedb"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
CLOCK = SystemClock()


def pem(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found


def claims(**changes: Any) -> dict[str, Any]:
    found = {
        "sub": "alice",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": CLOCK.wall_ms() // 1000 + 60,
        "limedb_roles": ["read:a/", "operator"],
    } | changes
    return {name: value for name, value in found.items() if value is not None}


def believer(path: Path, content: bytes) -> Jwts:
    path.write_bytes(content)
    return Jwts(path, ISSUER, AUDIENCE, "limedb_roles", CLOCK)


async def refusal(jwts: Jwts, token: str) -> str:
    with pytest.raises(UnauthenticatedError) as refused:
        await jwts.identity_of(Credential(token), 0)
    return refused.value.why


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")])
async def test_a_token_of_the_issuer_is_believed(tmp_path: Path, key: Any, algorithm: str) -> None:
    jwts = believer(tmp_path / "key", pem(key))
    token = jwt.encode(claims(), key, algorithm)
    identity = await jwts.identity_of(Credential(token), 0)
    assert identity is not None
    assert identity.name == "jwt:alice"
    assert identity.may(Role.READ, "a/x")
    assert identity.has(Role.OPERATOR)
    assert identity.expires_at_ms == (claims()["exp"] + LEEWAY_SECONDS) * 1000


async def test_other_tokens_are_left_to_others(tmp_path: Path) -> None:
    jwts = believer(tmp_path / "key", pem(RSA))
    assert await jwts.identity_of(Credential("limedb_alice.secret"), 0) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": 1000}, "expired"),
        ({"exp": None}, "claims"),
        ({"aud": "another"}, "audience"),
        ({"aud": None}, "claims"),
        ({"iss": "another"}, "issuer"),
        ({"iss": None}, "claims"),
        ({"sub": None}, "claims"),
        ({"sub": ""}, "claims"),
        ({"sub": "a\nb"}, "claims"),
        ({"nbf": 1 << 40}, "early"),
        ({"limedb_roles": ["node"]}, "roles"),
        ({"limedb_roles": ["operator:x"]}, "roles"),
        ({"limedb_roles": 5}, "roles"),
    ],
    ids=str,
)
async def test_wrong_claims_are_refused(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    jwts = believer(tmp_path / "key", pem(RSA))
    assert await refusal(jwts, jwt.encode(claims(**changes), RSA, "RS256")) == why


async def test_a_token_without_roles_may_nothing(tmp_path: Path) -> None:
    jwts = believer(tmp_path / "key", pem(RSA))
    token = jwt.encode(claims(limedb_roles=None), RSA, "RS256")
    identity = await jwts.identity_of(Credential(token), 0)
    assert identity is not None
    assert identity.grants == ()


def forged(header: dict[str, Any], key: bytes) -> str:
    """A token signed by HMAC, which PyJWT would not make with a public key."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims()).encode())}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), hashlib.sha256))}"


async def test_no_token_chooses_its_algorithm_or_key(tmp_path: Path) -> None:
    jwts = believer(tmp_path / "key", pem(RSA))
    other = rsa.generate_private_key(65537, 2048)
    unsigned = jwt.encode(claims(), None, "none")
    own_key = {"jwk": jwt.algorithms.RSAAlgorithm.to_jwk(other.public_key(), as_dict=True)}
    for token in (
        unsigned,
        unsigned.replace("none", "NONE"),
        forged({"alg": "HS256", "typ": "JWT"}, pem(RSA)),
        forged({"alg": "HS256", "typ": "JWT"}, pem(RSA).strip()),
        forged({"alg": "RS256", "typ": "JWT"}, pem(RSA)),
        forged({"alg": "none"}, b"x"),
        jwt.encode(claims(), RSA, "RS512"),
        jwt.encode(claims(), RSA, "PS256"),
        jwt.encode(claims(), other, "RS256"),
        jwt.encode(claims(), other, "RS256", headers=own_key),
        jwt.encode(claims(), EC, "ES256"),
        jwt.encode(claims(), RSA, "RS256")[:-6] + "AAAAAA",
        jwt.encode(claims(), RSA, "RS256", headers={"kid": "../../dev/null"})[:-6] + "AAAAAA",
        "..",
        "a.b.c",
        "e30.e30.e30",
    ):
        assert await refusal(jwts, token) in ("unknown", "key"), token


def jwks(**keys: Any) -> bytes:
    found = []
    for kid, key in keys.items():
        kind = (
            jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        )
        found.append({"kid": kid, "use": "sig", **kind.to_jwk(key.public_key(), as_dict=True)})
    return json.dumps({"keys": found}).encode()


async def test_a_jwks_has_keys_by_name_and_is_read_again(tmp_path: Path) -> None:
    jwts = believer(tmp_path / "jwks", jwks(one=RSA, two=EC))
    one = jwt.encode(claims(), RSA, "RS256", headers={"kid": "one"})
    assert await jwts.identity_of(Credential(one), 0)
    assert await jwts.identity_of(Credential(jwt.encode(claims(), EC, "ES256", headers={"kid": "two"})), 0)
    for bad in ({"kid": "two"}, {"kid": "three"}, {}):
        assert await refusal(jwts, jwt.encode(claims(), RSA, "RS256", headers=bad)) == "key"
    (tmp_path / "jwks").write_bytes(b"{half writ")
    assert await jwts.identity_of(Credential(one), 0)
    (tmp_path / "jwks").write_bytes(jwks(two=EC))
    assert await refusal(jwts, one) == "key"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing",
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}',
        b'{"keys": [{"kty": "RSA", "alg": "HS256", "n": "AQAB", "e": "AQAB"}]}',
        b'{"keys": 3}',
        pem(rsa.generate_private_key(65537, 1024)),
        RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ],
    ids=range(8),
)
def test_other_files_hold_no_keys(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match="JWT_KEYS_FILE"):
        believer(tmp_path / "key", content)
