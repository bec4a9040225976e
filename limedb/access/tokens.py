"""Tokens, and the files that hold secrets.

It owns the form of tokens and their comparison. It must never log, store or repeat one.

A token of a user has 256 random bits. Nobody can guess it, whatever the hash, so one round of SHA-256 is
enough to store it: slow hashes (scrypt, Argon2) exist for passwords, which people choose from a small set.
The comparison takes the same time wherever two hashes differ, so that answers reveal no part of a stored
hash.

Tested in tests/access/test_tokens.py.
"""

import hmac
import os
import re
import secrets
from hashlib import blake2s, sha256
from pathlib import Path

from limedb.errors import ConfigError
from limedb.tls.secrecy import is_open

MARK = "limedb_"
"""Begins the tokens of users, so that scanners of leaked secrets find them."""
SECRET_BYTES = 32
MIN_SECRET = 32
"""The least characters of a secret in a file."""
MAX_TOKEN = 8192
"""The most characters of a token; longer ones aren't looked at."""
USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_@-]{0,63}")
"""The names that users may have."""


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_token(user: str) -> str:
    """A token for a user."""
    return f"{MARK}{user}.{new_secret()}"


def user_of(token: str) -> str:
    """The user whose token it would be; empty: it isn't the token of a user."""
    name, dot, secret = token.removeprefix(MARK).partition(".")
    return name if token.startswith(MARK) and dot and secret and USER_NAME.fullmatch(name) else ""


def digest_of(token: str) -> bytes:
    """The digest that is stored and compared in place of a token."""
    return sha256(token.encode(errors="replace")).digest()


def place_of(token: str) -> bytes:
    """The key under which a token is remembered in memory: as one-way as its digest, in half of the time."""
    return blake2s(token.encode(errors="replace")).digest()


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two digests are equal, in the same time for any two of the same length."""
    return hmac.compare_digest(one, other)


def read_secret(setting: str, path: Path) -> str:
    """The secret in a file, which only its owner and group may read. ConfigError never repeats it."""
    try:
        text = read_private(setting, path).decode().strip()
    except UnicodeDecodeError:
        raise ConfigError(setting, path, "a file that can be read: it is not text") from None
    if len(text) < MIN_SECRET or len(text.split()) != 1:
        raise ConfigError(
            setting,
            path,
            f"a file with one line of {MIN_SECRET} characters or more, as `limedb admin new-secret` makes it",
        )
    return text


def read_private(setting: str, path: Path) -> bytes:
    """The content of a file that only its owner and group may read. ConfigError: it can't be read, or others
    may, too.
    """
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise ConfigError(setting, path, f"a file that can be read: {error.strerror}") from None
    if is_open(mode):
        raise ConfigError(setting, path, f"a file that others can't read: chmod 600 {path}")
    return content


def write_secret(path: Path, secret: str) -> None:
    """Write a new file that only its owner may read. FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{secret}\n")
