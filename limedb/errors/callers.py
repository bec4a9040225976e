"""Refusals of callers.

Tested in tests/errors/test_copies.py.
"""

from limedb.errors.base import LimeDBError


class UnauthenticatedError(LimeDBError, nothing_written=True):
    """The caller could not be identified. Attribute: why (missing, malformed, unknown, expired; for a
    certificate: revoked, or userless, if the cluster doesn't have the user that it names; for a JWT: early,
    audience, issuer, key, claims, roles).
    """

    def __init__(self, why: str) -> None:
        texts = {
            "missing": "this call needs a token (authorization: Bearer TOKEN): see `limedb login`",
            "malformed": "the header authorization must be one `Bearer TOKEN`",
            "expired": "the token has expired: get a new one",
            "early": "the token (JWT) isn't valid yet: compare the clocks of its issuer and of this node",
            "audience": "the token (JWT) is for another audience than JWT_AUDIENCE, or names none",
            "issuer": "the token (JWT) is of another issuer than JWT_ISSUER",
            "key": "no key in JWT_KEYS_FILE has signed the token (JWT), with that key's algorithm",
            "claims": "the token (JWT) lacks a claim: exp, sub, iss and aud are needed",
            "roles": "the token (JWT) has roles that don't exist: each is ROLE or ROLE:PREFIX",
            "revoked": "the certificate was revoked: get a new one",
            "userless": "without a token the certificate counts, and the cluster doesn't have the user that"
            " it names: an administrator can add it (`limedb admin user add`)",
        }
        super().__init__(texts.get(why, "the token is not valid: it is wrong, or was revoked"))
        self.why = why


class TokenFunctionError(UnauthenticatedError):
    """The function that should return the token failed, so nothing was sent. Attribute: error (the one that
    it raised, which is also the cause).
    """

    def __init__(self, error: Exception) -> None:
        super().__init__("unknown")
        self.args = (f"the function given as token failed: {type(error).__name__}: {error}",)
        self.why, self.error = "function", error


class PermissionDeniedError(LimeDBError, nothing_written=True):
    """The caller may not do this. Attributes: user, role (the role that it lacks for all of its request)."""

    def __init__(self, user: str, role: str) -> None:
        remedy = "only nodes have it" if role == "node" else "an administrator can grant it"
        super().__init__(f"{user} lacks the role {role} for all of this: {remedy}")
        self.user, self.role = user, role


class PeersOnlyError(LimeDBError, nothing_written=True):
    """A call that nodes accept only from each other came from a caller that didn't prove to be a node.
    Attributes: claimed (the node that it claimed to be; empty: none), why.
    """

    def __init__(self, claimed: str, why: str) -> None:
        super().__init__(f"{why}; this service is for the nodes of the cluster")
        self.claimed, self.why = claimed, why
