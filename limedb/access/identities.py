"""The callers that a node has recognised, by their tokens or certificates, each for a few seconds.

It owns how long an identity is valid before it is checked again. It must never keep a token: a hash stands
for it.

An identity is valid for FRESH_SECONDS after its check, so a revoked one stops working by then. If it can't be
checked again, since its user's record has no majority, it stays valid for GRACE_SECONDS: short enough for a
revocation, long enough for a restart of nodes. After that the caller gets UNAVAILABLE, not UNAUTHENTICATED:
the token may well be right.

Tested in tests/access/test_identities.py.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from limedb.access.tokens import MAX_TOKEN, place_of
from limedb.core.rights import Identity
from limedb.errors import LimeDBError, OverloadedError, UnauthenticatedError, UnavailableError
from limedb.ports import Authenticator, Clock, Credential

FRESH_SECONDS = 5.0
"""How long an identity is valid without another check."""
GRACE_SECONDS = 60.0
"""The longest time that it is valid while it can't be looked up."""
RETRY_SECONDS = 1.0
"""The pause between two such attempts, and how long an unknown token stays unknown without a check."""
LOOK_SECONDS = 2.0
"""How long a check may take."""
MAX_KNOWN = 4096
"""The identities that are kept, and as many unknown tokens."""
MAX_LOOKS = 64
"""The tokens that are looked up at a time: strangers must not keep a node busy with guesses."""


class _Known(NamedTuple):
    identity: Identity
    checked: float
    until: float


class Identities:
    """Recognises callers by their tokens. authenticators: asked in this order."""

    def __init__(self, authenticators: Sequence[Authenticator], clock: Clock) -> None:
        self._authenticators, self._clock = authenticators, clock
        self._known: dict[bytes, _Known] = {}
        self._unknown: dict[bytes, tuple[float, str]] = {}
        self._looks: dict[bytes, asyncio.Task[Identity]] = {}

    def known(self, token: str, user: str = "") -> Identity | None:
        """The identity behind a token, or the certificate of a user, if it is known at once."""
        found = self._known.get(_place(token, user))
        return found.identity if found is not None and self._clock.monotonic() < found.until else None

    async def of(self, token: str, user: str = "") -> Identity:
        """The identity behind a token; without one, behind the certificate of a user. UnauthenticatedError:
        there is none. UnavailableError, OverloadedError: it can't be determined now.
        """
        if not 0 < len(token or user) <= MAX_TOKEN:
            raise UnauthenticatedError("unknown" if token else "missing")
        place = _place(token, user)
        refused = self._unknown.get(place)
        if refused is not None and self._clock.monotonic() < refused[0]:
            raise UnauthenticatedError(refused[1])
        look = self._looks.get(place)
        if look is None:
            if len(self._looks) >= MAX_LOOKS:
                raise OverloadedError(
                    "callers with unknown tokens", 1, len(self._looks), MAX_LOOKS, "lookups"
                )
            look = self._looks[place] = asyncio.create_task(self._look(place, Credential(token, user)))
            look.add_done_callback(lambda done: self._looked(place, done))
        return await asyncio.shield(look)  # others may wait for it, too

    def forget(self) -> None:
        """Check everybody again."""
        self._known.clear()
        self._unknown.clear()

    async def close(self) -> None:
        """Stop all checks."""
        looks = list(self._looks.values())
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    def _looked(self, place: bytes, done: "asyncio.Task[Identity]") -> None:
        self._looks.pop(place, None)
        if not done.cancelled():
            done.exception()  # the callers may all be gone

    async def _look(self, place: bytes, shown: Credential) -> Identity:
        try:
            return self._remember(place, await self._found(shown))
        except UnauthenticatedError as error:
            self._known.pop(place, None)
            if len(self._unknown) >= MAX_KNOWN:
                self._unknown.clear()
            self._unknown[place] = self._clock.monotonic() + RETRY_SECONDS, error.why
            raise
        except LimeDBError as error:
            return self._kept(place, error)

    async def _found(self, shown: Credential) -> Identity:
        deadline = self._clock.monotonic() + LOOK_SECONDS
        for authenticator in self._authenticators:
            identity = await authenticator.identity_of(shown, deadline)
            if identity is not None:
                return identity
        raise UnauthenticatedError("unknown")

    def _remember(self, place: bytes, identity: Identity) -> Identity:
        now = self._clock.monotonic()
        until = now + FRESH_SECONDS
        if identity.expires_at_ms:
            left = (identity.expires_at_ms - self._clock.wall_ms()) / 1000
            if left <= 0:
                raise UnauthenticatedError("expired")
            until = min(until, now + left)
        self._known.pop(place, None)
        if len(self._known) >= MAX_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[place] = _Known(identity, now, until)
        return identity

    def _kept(self, place: bytes, error: LimeDBError) -> Identity:
        """An identity that can't be looked up now, if its last check is recent. UnavailableError: it isn't;
        the text names no key and no node, since anybody may read it.
        """
        known, now = self._known.get(place), self._clock.monotonic()
        if known is None or now - known.checked > GRACE_SECONDS or _is_over(known.identity, self._clock):
            raise UnavailableError(
                "the owner of this token can't be looked up now: too few of the nodes that keep users answer;"
                " nothing was done. The root token and JWTs need no other node"
            ) from error
        self._known[place] = known._replace(until=now + RETRY_SECONDS)
        return known.identity


def _place(token: str, user: str) -> bytes:
    """The key under which a caller is remembered: no token can stand for a certificate."""
    return place_of(token) if token else b"certificate of " + user.encode(errors="replace")


def _is_over(identity: Identity, clock: Clock) -> bool:
    return 0 < identity.expires_at_ms <= clock.wall_ms()
