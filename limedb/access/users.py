"""The users of a cluster, and their tokens: a record each, in the cluster itself.

It owns the records under a reserved prefix (`core/reserved.py`), and the rights to change them. It must never
reveal a token's hash, nor know a token except at the moment when it makes one.

A record is read at QUORUM and written at LINEARIZABLE, so that no node finds a user whose removal was
acknowledged. Two administrators who change one user at a time overwrite each other: the later counts, as a
whole.

Tested in tests/access/test_users.py.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from typing_extensions import override

from limedb.access.tokens import USER_NAME, digest_of, is_same, new_token, user_of
from limedb.core.key_range import KeyRange, end_of_prefix
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.reserved import PREFIX
from limedb.core.rights import Grant, Identity, Role, parse_grant
from limedb.errors import (
    InvalidRequestError,
    KeyNotFoundError,
    PermissionDeniedError,
    StoreCorruptError,
    UnauthenticatedError,
)
from limedb.ports import Authenticator, Clock, Credential
from limedb.replication.requests import Found, Write, Written

USERS = f"{PREFIX}users/"
MAX_GRANTS, MAX_PREFIX_BYTES = 64, 1024
MAX_USERS_LISTED = 10_000
PAGE = 500
_NOBODY = bytes(32)


class Keys(Protocol):
    """Reads and writes single keys: `replication.coordinator.Coordinator`."""

    async def get(self, key: str, level: Level | None, deadline: float, most: int | None = None) -> Found:
        """As there."""

    async def write(self, write: Write, level: Level | None, deadline: float) -> Written:
        """As there."""


class Pages(Protocol):
    """A scan, page by page."""

    async def page(self) -> list[Record]:
        """The next records; none: the end."""


class Scans(Protocol):
    """Begins scans: `replication.scan.scanner.Scanner`."""

    def scan(
        self,
        keys: KeyRange,
        level: Level | None,
        first: int,
        deadline: Callable[[], float],
        keys_only: bool = False,
    ) -> Pages:
        """As there."""


@dataclass(frozen=True, slots=True)
class User:
    """A user. digest: of the token. Times in milliseconds since 1970; expires_at_ms 0: never."""

    name: str
    grants: tuple[Grant, ...]
    digest: bytes
    created_at_ms: int
    expires_at_ms: int = 0

    @property
    def identity(self) -> Identity:
        """The identity of the token's holder."""
        return Identity(self.name, self.grants, self.expires_at_ms)

    def as_json(self) -> str:
        """The stored form."""
        return json.dumps({
            "name": self.name,
            "roles": [*map(str, self.grants)],
            "sha256": self.digest.hex(),
            "createdAtMs": self.created_at_ms,
            "expiresAtMs": self.expires_at_ms,
        })  # fmt: skip


def user_from(text: str | bytes) -> User:
    """A user from the stored form. StoreCorruptError: it isn't one."""
    try:
        fields: dict[str, Any] = json.loads(text)
        return User(
            str(fields["name"]),
            tuple(parse_grant(str(role)) for role in fields["roles"]),
            bytes.fromhex(fields["sha256"]),
            int(fields["createdAtMs"]),
            int(fields["expiresAtMs"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise StoreCorruptError(f"the record of a user can't be read: {type(error).__name__}") from None


class Users(Authenticator):
    """The users of the cluster with these keys."""

    def __init__(self, keys: Keys, scans: Scans, clock: Clock) -> None:
        self._keys, self._scans, self._clock = keys, scans, clock

    @override
    async def identity_of(self, shown: Credential, deadline: float) -> Identity | None:
        if not shown.token:
            return await self._of_certificate(shown.user, deadline)
        name = user_of(shown.token)
        if not name:
            return None
        user = await self._find(name, deadline)
        is_right = is_same(digest_of(shown.token), user.digest if user else _NOBODY)
        if user is None or not is_right:
            raise UnauthenticatedError("unknown")
        return user.identity

    async def _of_certificate(self, name: str, deadline: float) -> Identity:
        """The user that a certificate names: the CA vouches for its holder."""
        user = await self._find(name, deadline) if USER_NAME.fullmatch(name) else None
        if user is None:
            raise UnauthenticatedError("userless")
        return user.identity

    async def add(
        self, by: Identity, name: str, roles: list[str], expires_at_ms: int, deadline: float
    ) -> tuple[User, str]:
        """A new user, and its token. InvalidRequestError; PermissionDeniedError: `by` lacks what it gives."""
        grants = _grants_of(roles)
        _check_name(name)
        self._check_lasts(expires_at_ms)
        _check_may(by, grants)
        if await self._find(name, deadline) is not None:
            raise InvalidRequestError(f"name={name!r}: there is such a user: rotate its token, or delete it")
        return await self._store(name, grants, expires_at_ms, deadline)

    async def rotate(self, by: Identity, name: str, expires_at_ms: int, deadline: float) -> tuple[User, str]:
        """A user with another token instead of the old one. expires_at_ms: of the new one; 0: when the old
        one does. InvalidRequestError, PermissionDeniedError.
        """
        self._check_lasts(expires_at_ms)
        user = await self._managed(by, name, deadline)
        ends = expires_at_ms or user.expires_at_ms
        self._check_lasts(ends, "; give the new token a later one")
        return await self._store(name, user.grants, ends, deadline)

    async def delete(self, by: Identity, name: str, deadline: float) -> User:
        """Remove a user. InvalidRequestError, PermissionDeniedError."""
        user = await self._managed(by, name, deadline)
        await self._keys.write(Write(USERS + name, None), Level.LINEARIZABLE, deadline)
        return user

    async def all(self, by: Identity, seconds: float) -> list[User]:
        """The users that `by` may manage, in the order of their names. seconds: for each page."""
        span = KeyRange(USERS, end_of_prefix(USERS))
        pages = self._scans.scan(span, Level.QUORUM, PAGE, lambda: self._clock.monotonic() + seconds)
        found: list[User] = []
        while len(found) < MAX_USERS_LISTED and (records := await pages.page()):
            users = [user_from(record.value) for record in records if record.value is not None]
            found += [user for user in users if all(map(by.may_grant, user.grants))]
        return found

    def _check_lasts(self, expires_at_ms: int, advice: str = "") -> None:
        if expires_at_ms and expires_at_ms <= self._clock.wall_ms():
            raise InvalidRequestError(f"expiresAtMs={expires_at_ms}: that moment has passed{advice}")

    async def _managed(self, by: Identity, name: str, deadline: float) -> User:
        """A user that `by` may manage."""
        _check_name(name)
        user = await self._find(name, deadline)
        if user is None:
            raise InvalidRequestError(f"name={name!r}: there is no such user")
        _check_may(by, user.grants)
        return user

    async def _find(self, name: str, deadline: float) -> User | None:
        try:
            found = await self._keys.get(USERS + name, Level.QUORUM, deadline)
        except KeyNotFoundError:
            return None
        return user_from(found.value)

    async def _store(
        self, name: str, grants: tuple[Grant, ...], expires_at_ms: int, deadline: float
    ) -> tuple[User, str]:
        token = new_token(name)
        user = User(name, grants, digest_of(token), self._clock.wall_ms(), expires_at_ms)
        await self._keys.write(Write(USERS + name, user.as_json()), Level.LINEARIZABLE, deadline)
        return user, token


def _grants_of(roles: list[str]) -> tuple[Grant, ...]:
    if not 1 <= len(roles) <= MAX_GRANTS:
        raise InvalidRequestError(f"roles holds {len(roles)} items: must be 1 to {MAX_GRANTS}")
    if any(len(role.encode()) > MAX_PREFIX_BYTES for role in roles):
        raise InvalidRequestError(f"roles: each has {MAX_PREFIX_BYTES} bytes at most")
    try:
        return tuple(dict.fromkeys(map(parse_grant, roles)))
    except ValueError as error:
        raise InvalidRequestError(f"roles: {error}") from None


def _check_name(name: str) -> None:
    if not USER_NAME.fullmatch(name) or name in ("root", "node"):
        raise InvalidRequestError(
            f"name={name!r:.80}: must be 1 to 64 letters, digits and _ @ -, beginning with a letter or digit;"
            " not root or node"
        )


def _check_may(by: Identity, grants: tuple[Grant, ...]) -> None:
    for grant in grants:
        if not by.may_grant(grant):
            lacks_operator = grant.role is Role.OPERATOR and not by.has(Role.OPERATOR)
            raise PermissionDeniedError(by.name, (Role.OPERATOR if lacks_operator else Role.ADMIN).value)
