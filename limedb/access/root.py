"""The root token: it makes the first user, and works when no user can be looked up.

It owns one token of the operator, from a file. It must never be stored in the cluster.

Tested in tests/access/test_tokens.py.
"""

from typing_extensions import override

from limedb.access.tokens import digest_of, is_same
from limedb.core.rights import Grant, Identity, Role
from limedb.ports import Authenticator, Credential

ROOT = Identity("root", (Grant(Role.ADMIN), Grant(Role.OPERATOR)))
"""May do everything that a client may."""


class RootToken(Authenticator):
    """Recognises the holder of a token."""

    def __init__(self, token: str) -> None:
        self._digest = digest_of(token)

    @override
    async def identity_of(self, shown: Credential, deadline: float) -> Identity | None:
        return ROOT if is_same(digest_of(shown.token), self._digest) else None
