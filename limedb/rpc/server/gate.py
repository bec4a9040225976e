"""Identifies callers and checks their rights, before each call and for each request within a session.

It owns the way from a call's metadata to an identity, and the one place where rules are applied. It must
never look at a path: the rules judge the decoded message. With AUTH=off it puts nothing in front of a
call.

Tested in tests/scenarios/test_access_rules.py.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from limedb.access.identities import Identities
from limedb.access.peer_secret import HEADER as PROOF
from limedb.access.peer_secret import PeerSecret
from limedb.core.rights import Identity, Role
from limedb.errors import LimeDBError, PermissionDeniedError, UnauthenticatedError, brief
from limedb.ports import NO_FACTS, Audit, Facts
from limedb.rpc.addressee import HEADER as MEANT
from limedb.rpc.server.batch_rules import BATCHES
from limedb.rpc.server.clients import Clients
from limedb.rpc.server.clients import Context as Call
from limedb.rpc.server.rules import ACCESS, Audience, Rule, rule_of
from limedb.tls.bearer import HEADER as TOKEN
from limedb.wire.status import code_of

SCHEME = "bearer "
KV = "limedb.v1.KVService"
OPERATIONS = {
    "batch_get": "BatchGet",
    "batch_set": "BatchSet",
    "get": "Get",
    "set": "Set",
    "delete": "Delete",
    "increment": "Increment",
    "append": "Append",
    "get_and_set": "GetAndSet",
    "get_and_delete": "GetAndDelete",
    "txn": "Txn",
    "grant_lease": "LeaseService/GrantLease",
    "renew_lease": "LeaseService/RenewLease",
    "revoke_lease": "LeaseService/RevokeLease",
    "lease_time_to_live": "LeaseService/LeaseTimeToLive",
}
"""The RPC of each operation of a session, with its service if that isn't the session's."""
NODE = Identity("node", ())
"""Any node of the cluster."""
CHALLENGE = (("www-authenticate", 'Bearer realm="limedb"'),)
"""The trailer of a call that needs a token: Envoy makes it a header of its answer 401."""

MOST_ROLES, MOST_CHARACTERS = 64, 128
"""How many roles of a user are recorded, and how much of each."""

Serve = Callable[[Any, Any], Awaitable[Any]]
"""A unary method of a servicer."""


class Shown(NamedTuple):
    """The credentials of a caller: a token, a node's proof for the node that it means, or, without these, the
    certificate of a user.
    """

    token: str = ""
    proof: bytes = b""
    meant: bytes = b""
    user: str = ""


def shown_in(context: Call) -> Shown:
    """The credentials of a caller. UnauthenticatedError: they aren't one token."""
    token, proof, meant = "", b"", b""
    for name, value in context.invocation_metadata() or ():
        if name == TOKEN:
            if token or not isinstance(value, str) or value[:7].lower() != SCHEME:
                raise UnauthenticatedError("malformed")
            token = value[7:].strip()
        elif name == PROOF and isinstance(value, bytes):
            proof = value
        elif name == MEANT and isinstance(value, bytes):
            meant = value
    return Shown(token, proof, meant)


class NoAudit(Audit):
    """Records nothing."""

    def record(
        self, who: str, peer: str, what: str, subject: str, outcome: str, facts: Facts = NO_FACTS
    ) -> None:
        """Do nothing."""


class Gate:
    """The entrance of a node. enforces: AUTH=required; otherwise only the management of users identifies
    callers. secret: that nodes share; None: no caller can prove by it that it is a node. is_node: whether the
    caller's certificate proves that it is one. user_of: the user that its certificate names; empty: none.
    clients: finds the address of a call, for the audit.
    """

    def __init__(
        self,
        identities: Identities,
        secret: PeerSecret | None,
        audit: Audit | None,
        enforces: bool,
        is_node: Callable[[Any], bool] = lambda _context: False,
        user_of: Callable[[Any], str] = lambda _context: "",
        clients: Clients | None = None,
    ) -> None:
        self._is_node, self._user_of, self.clients = is_node, user_of, clients or Clients()
        self._identities, self._secret, self._enforces = identities, secret, enforces
        self.audit, self._writes = audit or NoAudit(), audit is not None

    @property
    def enforces(self) -> bool:
        """Whether each call is judged."""
        return self._enforces

    def guard(self, service: str, method: str) -> "Guard | None":
        """The guard of an RPC; None: it needs none. LookupError: it has no rule."""
        rule = rule_of(service, method)
        if not self._enforces and service != ACCESS:
            rule = Rule(Audience.PUBLIC, is_change=rule.is_change and self._writes)
        if rule.audience is Audience.PUBLIC and not rule.is_change:
            return None
        return Guard(self, rule, service.rpartition(".")[2], method)

    def session(self, context: Call, methods: Mapping[str, Serve]) -> dict[str, Serve]:
        """The methods of a session, each of whose requests is judged. methods: by operation."""
        shown = self.shown(context) if self._enforces else None
        return {name: self._judged(shown, OPERATIONS[name], method) for name, method in methods.items()}

    def _judged(self, shown: Shown | None, rpc: str, method: Serve) -> Serve:
        service, _, method_name = rpc.rpartition("/")
        guard = self.guard(f"limedb.v1.{service}" if service else KV, method_name)
        if guard is None or shown is None:
            return method

        async def serve(request: Any, turn: Any) -> Any:  # noqa: ANN401 (as the method)
            identity = self.known(shown) or await guard.recognised(shown, turn)
            return await guard.serve(identity, method, request, turn)

        return serve

    def known(self, shown: Shown) -> Identity | None:
        """The identity behind credentials, if it is known at once."""
        return self._identities.known(shown.token, shown.user) if shown.token or shown.user else None

    def shown(self, context: Call) -> Shown:
        """The credentials of a caller. UnauthenticatedError: they aren't one token, or the certificate was
        revoked.
        """
        shown = shown_in(context)
        return shown if shown.token or shown.proof else shown._replace(user=self._user_of(context))

    async def recognise(self, shown: Shown, context: object = None) -> Identity:
        """The identity behind credentials or a certificate. UnauthenticatedError; UnavailableError: it can't
        be determined now.
        """
        if shown.proof:
            if self._secret is None or not self._secret.proves(shown.meant, shown.proof):
                raise UnauthenticatedError("unknown")
            return NODE
        if context is not None and not (shown.token or shown.user) and self._is_node(context):
            return NODE
        return await self._identities.of(shown.token, shown.user)

    async def look_again(self, shown: Shown) -> UnauthenticatedError | None:
        """Why these credentials are no longer valid; None: they are, or that can't be determined now."""
        try:
            self.known(shown) or await self.recognise(shown)
        except UnauthenticatedError as error:
            return error
        except LimeDBError:
            return None
        return None

    def forget(self) -> None:
        """Identify everybody again: a user has changed."""
        self._identities.forget()

    async def sees_all(self, context: Call) -> bool:
        """Whether the caller may see what names keys and files: an operator and a node may, and anybody where
        nobody is asked.
        """
        if not self._enforces:
            return True
        try:
            caller = await self.caller(context)
        except LimeDBError:
            return False
        return caller is NODE or caller.has(Role.OPERATOR)

    async def caller(self, context: Call) -> Identity:
        """The identity of the caller. Errors as `recognise`."""
        shown = self.shown(context)
        return self.known(shown) or await self.recognise(shown, context)


class Guard:
    """The gate for one RPC."""

    def __init__(self, gate: Gate, rule: Rule, service: str, method: str) -> None:
        self._gate, self._rule, self._what = gate, rule, f"{service}/{method}"
        self._batch = BATCHES[method] if rule.batch else None

    async def admit(self, context: Call) -> Identity:
        """The identity of the caller, before the call's message is read. UnauthenticatedError,
        PermissionDeniedError; UnavailableError: it can't be determined now.
        """
        if self._rule.audience is Audience.PUBLIC:
            return await self._anybody(context)
        try:
            shown = self._gate.shown(context)
            if (identity := self._gate.known(shown)) is None:
                identity = await self._gate.recognise(shown, context)
            if self._rule.audience is Audience.NODES and identity is not NODE:
                raise PermissionDeniedError(identity.name, Role.NODE.value)
        except (UnauthenticatedError, PermissionDeniedError) as error:
            self._write("", context, "", error)
            raise
        return identity

    def shown(self, context: Call) -> Shown | None:
        """The credentials of a caller that may become invalid; None: there are none."""
        if self._rule.audience is Audience.PUBLIC:
            return None
        shown = self._gate.shown(context)
        return shown if shown.token or shown.user else None

    async def recognised(self, shown: Shown, context: Call) -> Identity:
        """As `admit`, for the credentials of a session's beginning."""
        try:
            return await self._gate.recognise(shown)
        except UnauthenticatedError as error:
            self._write("", context, "", error)
            raise

    def judge(self, identity: Identity, request: object, context: Call) -> None:
        """PermissionDeniedError: the caller may not make this request."""
        if self._rule.judge is None:
            return
        try:
            self._rule.judge(identity, request)
        except PermissionDeniedError as error:
            self._write(identity.name, context, _subject_of(request), error)
            raise

    async def serve(self, identity: Identity, method: Serve, request: Any, context: Any) -> Any:  # noqa: ANN401 (as the method)
        """Answer the part of a request that the caller may make. PermissionDeniedError."""
        if self._batch is not None:
            refused = partial(self._refused_part, identity, context)
            return await self._batch(identity, request, lambda part: method(part, context), refused)
        self.judge(identity, request, context)
        if not self._rule.is_change or getattr(request, "dry_run", False):
            return await method(request, context)
        return await self._written_down(identity, method, request, context)

    async def _written_down(self, identity: Identity, method: Serve, request: object, context: Any) -> Any:  # noqa: ANN401 (as the method)
        subject = _subject_of(request)
        try:
            answer = await method(request, context)
        except Exception as error:
            self._write(identity.name, context, subject, error, request)
            raise
        facts = _facts_of(request)
        self._gate.audit.record(
            identity.name, self._gate.clients.of(context), self._what, subject, "OK", facts
        )
        return answer

    def _refused_part(
        self, identity: Identity, context: Call, error: PermissionDeniedError, key: str
    ) -> None:
        self._write(identity.name, context, brief(key), error)

    def _write(self, who: str, context: Call, subject: str, error: Exception, request: object = None) -> None:
        outcome = error.reason if isinstance(error, LimeDBError) else code_of(error).name
        facts = {**_facts_of(request), **_reason_of(error)}
        self._gate.audit.record(who, self._gate.clients.of(context), self._what, subject, outcome, facts)

    async def _anybody(self, context: Call) -> Identity:
        """The identity of the caller, if it is only recorded."""
        try:
            return await self._gate.caller(context)
        except LimeDBError:
            return Identity("", ())


def _facts_of(request: object) -> Facts:
    """The rights that a change grants: the roles of a user, cut."""
    roles = [role[:MOST_CHARACTERS] for role in [*getattr(request, "roles", ())][:MOST_ROLES]]
    return {"roles": roles} if roles else {}


def _reason_of(error: Exception) -> Facts:
    """The reason of a refusal, if its text contains no key and no token."""
    if isinstance(error, UnauthenticatedError):
        return {"reason": error.why}
    if isinstance(error, PermissionDeniedError):
        return {"reason": f"lacks {error.role}"}
    return {}


def _subject_of(request: object) -> str:
    """The subject of a request: a key or prefix, cut; a node; a user."""
    for name in ("key", "prefix", "start", "url", "name", "node_url"):
        value = getattr(request, name, "")
        if isinstance(value, str) and value:
            return brief(value)
    return ""
