"""The interfaces to recognise callers, and to record refusals.

It owns the interfaces between the server, identities and the audit log. It must never contain code that does
anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from limedb.core.rights import Identity


@dataclass(frozen=True, slots=True)
class Credential:
    """The credentials of a caller. token: of `authorization: Bearer`; empty: none. user: the one that its
    certificate names; empty: none.
    """

    token: str = ""
    user: str = ""


class Authenticator(Protocol):
    """Recognises callers by one kind of credential."""

    async def identity_of(self, shown: Credential, deadline: float) -> Identity | None:
        """The identity behind credentials; None: it doesn't know them. UnauthenticatedError: it knows why
        they are invalid. UnavailableError, RequestTimeoutError: it can't decide now.
        """


Facts = Mapping[str, str | Sequence[str]]
"""Further facts of an event: the roles that were given, the reason of a refusal."""
NO_FACTS: Facts = {}


class Audit(Protocol):
    """Records who did what."""

    def record(
        self, who: str, peer: str, what: str, subject: str, outcome: str, facts: Facts = NO_FACTS
    ) -> None:
        """Record an event, without waiting. who: the identity's name; empty: unknown. peer: the caller's
        address. what: Service/Method. subject: of the call, never a secret. outcome: OK, or the reason of an
        error. facts: further facts, never a secret.
        """
