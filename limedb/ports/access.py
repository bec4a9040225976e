"""Those who recognise callers, and those who write down what was refused.

It owns the interfaces between the server, identities and the audit log. It must never contain code that does
anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from limedb.core.rights import Identity


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller shows. token: of `authorization: Bearer`; empty: none. user: whom its certificate names;
    empty: nobody.
    """

    token: str = ""
    user: str = ""


class Authenticator(Protocol):
    """Recognises callers by one kind of credential."""

    async def identity_of(self, shown: Credential, deadline: float) -> Identity | None:
        """Who shows a credential; None: nobody whom it knows. UnauthenticatedError: it knows why not.
        UnavailableError, RequestTimeoutError: it can't say now.
        """


Facts = Mapping[str, str | Sequence[str]]
"""What an event was about besides: the roles that were given, the reason of a refusal."""
NO_FACTS: Facts = {}


class Audit(Protocol):
    """Writes down who did what."""

    def record(
        self, who: str, peer: str, what: str, subject: str, outcome: str, facts: Facts = NO_FACTS
    ) -> None:
        """Write an event down, without waiting. who: the identity's name; empty: unknown. peer: the caller's
        address. what: Service/Method. subject: what it was about, never a secret. outcome: OK, or the reason
        of an error. facts: more of it, never a secret.
        """
