"""The one tree of errors.

It owns the kinds of failures and their texts. It must never know of gRPC or HTTP: `wire/status.py` maps each
class to a status, and the most specific class decides. Facts are attributes, so that no code parses texts,
and the meaning of a class for retries is an attribute, so that no code compares names.

LimeDBError
    ├── ConfigError                  a setting that can't be used; ends the start
    ├── ExposedError                 it would listen beyond loopback without TLS and authentication
    ├── LaunchError                  a local cluster that can't be started, found or ended
    │   └── NotReadyError            some of its nodes don't take requests
    ├── BulkError                    a file that can't be imported or exported any further
    ├── BadItemError                 one line or entry of a file that isn't a key with a value
    ├── InvalidRequestError          the request makes no sense
    │   ├── InvalidKeyError
    │   ├── ReservedKeyError         a key of LimeDB's own
    │   ├── ValueTooLargeError
    │   └── MalformedRequestError    bytes that are not the message they should be
    ├── UnauthenticatedError         nobody knows who the caller is
    │   └── TokenFunctionError       the function that should return the token failed
    ├── PermissionDeniedError        the caller may not do this
    ├── KeyNotFoundError
    ├── ConditionFailedError         the key hasn't what a write requires of it
    ├── UnknownPathError             Envoy publishes nothing there
    ├── UnknownNodeError             Envoy knows no node of the name that a request asks for
    ├── RequestTooLargeError         Envoy takes no request of this size
    ├── AssetNotFoundError           a file that the dashboard doesn't have
    ├── UnavailableError             nothing was done; it may work later or elsewhere
    │   ├── ReplicaUnreachableError
    │   ├── LevelUnreachableError    too few replicas are alive for the requested level
    │   ├── RangeUnreachableError    the same for a range of keys
    │   ├── OutcomeUnknownError      a write was sent and too few answers came back
    │   ├── ContendedError           others kept writing newer versions of the key
    │   ├── WrongNodeError           a call was meant for another node
    │   ├── NotMemberError           the node belongs to no cluster, or to another one
    │   ├── WrongClusterError        a client's call was meant for another cluster
    │   ├── ClientStateError         the client isn't open here
    │   ├── StaleEpochError          the caller's topology is older than the replica's
    │   └── ClockSkewError           a version or a clock is too far from the others'
    ├── TopologyChangeError          a change of the topology that can't be made now
    ├── RequestTimeoutError          the deadline passed
    ├── WatchGapError                changes that a watch should report are no longer known
    ├── TooManyWatchesError          a node serves no more watches
    ├── ResponseTooLargeError        ask for less at once
    ├── OverloadedError              the node has no room left for it; nothing was done
    ├── LimitExceededError           this client has as much as it may have; nothing was done
    ├── RemoteError                  a peer's own error, passed on
    ├── PartialFailureError          some of many keys failed; each has its own error
    ├── PeersOnlyError                nodes take such calls from each other alone
    ├── UnsupportedError             the server, or this version, can't do this
    └── StoreError                   the disk or its format
        ├── StoreFullError           no room; stored data stays, reads and deletes continue
        ├── StoreClosedError
        └── StoreCorruptError        bytes that can't be stored data
            └── RecordDamagedError   the record of some keys is damaged here; other replicas may have it

Tested in tests/wire/test_status.py and tests/test_errors.py.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any


def reason_from(name: str) -> str:
    """The reason of a class of errors by its name: VALUE_TOO_LARGE of ValueTooLargeError."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Error")).upper()


class LimeDBError(Exception):
    """The root: catch this to catch everything that LimeDB raises on purpose.

    Attributes of each class: reason: its stable name, in all languages. nothing_written: it proves that
    nothing of a write was stored. may_pass: the same call may succeed later, or elsewhere. too_large: callers
    must ask for less at once. Subclasses inherit all except the reason.

    Attributes: tried: how often and for how long the call was tried before it failed, if more than once:
    "tried 3 times in 1.2 s". retry_seconds: the time after which the node that refused it may admit it;
    0: unknown.
    """

    reason = "FAILED"
    nothing_written = may_pass = too_large = False
    tried = ""
    retry_seconds = 0.0

    def __init_subclass__(cls, **answers: bool) -> None:
        super().__init_subclass__()
        cls.reason = reason_from(cls.__name__)
        for question, answer in answers.items():
            setattr(cls, question, answer)

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.tried})" if self.tried else super().__str__()

    def __reduce__(self) -> "tuple[Any, ...]":
        """Copy it as it is: the facts that `__init__` takes are not those that Exception remembers."""
        return _unpickled, (type(self), self.args), vars(self)


class ConfigError(LimeDBError):
    """A setting that can't be used. Attributes: setting, value, allowed (a phrase)."""

    def __init__(self, setting: str, value: object, allowed: str) -> None:
        super().__init__(f"{setting}={value}: must be {allowed}")
        self.setting, self.value, self.allowed = setting, value, allowed


class ExposedError(LimeDBError):
    """A process would listen beyond loopback without TLS and authentication; the text has the commands that
    set them up.
    """


class NameTakenError(LimeDBError):
    """A live process answers under the node's name. Attributes: node_url, address (where it answers), node_id
    (empty if unknown).
    """

    def __init__(self, node_url: str, address: str, node_id: str) -> None:
        super().__init__(
            f"{node_url} is the name of a node that runs already: it answers at {address}"
            f" (node_id {node_id or 'unknown'}); stop that one first, or give this one its own NODE_URL"
        )
        self.node_url, self.address, self.node_id = node_url, address, node_id


class LaunchError(LimeDBError):
    """A local cluster that can't be started, found or ended; the text has advice."""


class NotReadyError(LaunchError):
    """A cluster isn't ready; the text has a line for each node that is not, with its reason. serving: names
    of nodes that take requests nevertheless; empty if Envoy, through which requests come, has ended.
    """

    def __init__(self, text: str, serving: Collection[str]) -> None:
        super().__init__(text)
        self.serving = serving


class BulkError(LimeDBError):
    """A file that can't be read or written any further; the text has the place, and advice."""


class BadItemError(LimeDBError):
    """One line or entry of a file that isn't a key with a value; others may be."""


class InvalidRequestError(LimeDBError, nothing_written=True):
    """The request makes no sense, whenever and wherever it is sent again."""


class InvalidKeyError(InvalidRequestError):
    """A key that is empty or too long. Attributes: size and limit, in bytes of UTF-8."""

    def __init__(self, size: int, limit: int) -> None:
        what = "key is empty" if size == 0 else f"key of {size} bytes is too long"
        super().__init__(f"{what}: a key has 1 to {limit} bytes of UTF-8")
        self.size, self.limit = size, limit


class ReservedKeyError(InvalidRequestError):
    """A key, or a prefix, of LimeDB's own: no client reads or writes there."""

    def __init__(self) -> None:
        super().__init__("keys that begin with \\0limedb/ are LimeDB's own: use another")


class ValueTooLargeError(InvalidRequestError):
    """A value over the limit. Attributes: key; size and limit, in bytes."""

    def __init__(self, key: str, size: int, limit: int) -> None:
        super().__init__(
            f"value of {size} bytes for key {brief(key)} is over the limit of {limit} bytes (MAX_VALUE_SIZE)"
        )
        self.key, self.size, self.limit = key, size, limit


class MalformedRequestError(InvalidRequestError):
    """Bytes that are not the message they should be, such as a key that isn't UTF-8."""


class UnauthenticatedError(LimeDBError, nothing_written=True):
    """Nobody knows who the caller is. Attribute: why (missing, malformed, unknown, expired; of a certificate:
    revoked, or userless, where the cluster doesn't have the user that it names; of a JWT: early, audience,
    issuer, key, claims, roles).
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
    """The function that should return the token failed, so nothing was sent. Attribute: error (what it
    raised, which is also the cause).
    """

    def __init__(self, error: Exception) -> None:
        super().__init__("unknown")
        self.args = (f"the function given as token failed: {type(error).__name__}: {error}",)
        self.why, self.error = "function", error


class PermissionDeniedError(LimeDBError, nothing_written=True):
    """The caller may not do this. Attributes: user, role (the one that it lacks, for all that it asks
    for).
    """

    def __init__(self, user: str, role: str) -> None:
        remedy = "only nodes have it" if role == "node" else "an administrator can grant it"
        super().__init__(f"{user} lacks the role {role} for all of this: {remedy}")
        self.user, self.role = user, role


class KeyNotFoundError(LimeDBError, nothing_written=True):
    """The key has no value: it never had one, was deleted, or has expired. Attribute: key."""

    def __init__(self, key: str) -> None:
        super().__init__("key not found")
        self.key = key


class ConditionFailedError(LimeDBError, nothing_written=True):
    """The key hasn't what the write requires of it. Attributes: key, version (that it has; 0: it has no
    value), exists (1: it has a value, else 0), record (core.record.Record; None: it has no value, or the
    caller didn't ask for it, or it is too large for an error).
    """

    record: Any = None

    def __init__(self, key: str, version: int, exists: int) -> None:
        now = f"it has version {version}" if exists else "it has no value"
        super().__init__(
            f"key {brief(key)} hasn't what the write requires: {now}; nothing was written. Read the key and"
            " decide again"
        )
        self.key, self.version, self.exists = key, version, int(exists)

    @property
    def value(self) -> str | bytes | None:
        """The value that the key has, where the error has it; else None."""
        return self.record.value if self.record is not None else None


_REFUSED_EDITS = {
    "no_counter": "has no counter: that is a whole number from -2^63 to 2^63-1 as text, in decimal digits",
    "overflow": "has a counter that would leave the range from -2^63 to 2^63-1",
    "other_kind": "has bytes where text was to be added, or text where bytes were",
    "too_large": "has a value that is too large to be kept beside the new one, as an idempotency key asks"
    " for: leave that out, or set the new value if the version is still that of a get",
}


class EditRefusedError(LimeDBError, nothing_written=True):
    """The value that the key has can't be changed as asked. Attributes: key, why (no_counter: it isn't a
    whole number; overflow: the sum would be out of range; other_kind: text was to be added to bytes, or
    bytes to text; too_large: it can't be kept beside the new value, as an idempotency key asks for).
    """

    def __init__(self, key: str, why: str) -> None:
        text = _REFUSED_EDITS.get(why, "has a value that can't be changed so")
        super().__init__(f"key {brief(key)} {text}; nothing was written")
        self.key, self.why = key, why


class UnknownPathError(LimeDBError, nothing_written=True):
    """Envoy publishes nothing under this path. The text says where the paths are listed."""


class UnknownNodeError(LimeDBError, nothing_written=True):
    """Envoy knows no node of the name in node= or x-limedb-node. The text names the nodes."""


class RequestTooLargeError(LimeDBError, nothing_written=True, too_large=True):
    """Envoy takes no request of this size. The text has the limit."""


class AssetNotFoundError(LimeDBError):
    """A file that the dashboard's build doesn't have. Attribute: path."""

    def __init__(self, path: str) -> None:
        super().__init__("the dashboard has no such file")
        self.path = path


class UnavailableError(LimeDBError, nothing_written=True, may_pass=True):
    """It can't be done now; nothing was written. It may work later, or on another node."""


class ReplicaUnreachableError(UnavailableError):
    """A replica can't be reached; nothing was sent to it. Attributes: node_url, why."""

    def __init__(self, node_url: str, why: str) -> None:
        super().__init__(f"node {node_url} is unreachable: {why}; try again when it is back")
        self.node_url, self.why = node_url, why


class LevelUnreachableError(UnavailableError):
    """Too few replicas are alive for the level: nothing was written.



    Attributes: key, level (its name), needed, live, replicas (counts), missing (node URLs), reasons (by URL).
    """

    def __init__(
        self, key: str, level: str, needed: int, live: int, replicas: int, missing: "dict[str, str]"
    ) -> None:
        why = "; ".join(f"{url}: {reason}" for url, reason in missing.items())
        super().__init__(
            f"key {brief(key)} needs {needed} of {replicas} replicas at level {level}, {live} can be reached"
            f"{f' ({why})' if why else ''}; nothing was written, try again when they are back"
        )
        self.key, self.level, self.needed, self.live, self.replicas = key, level, needed, live, replicas
        self.missing = missing


class RangeUnreachableError(UnavailableError):
    """Too few owners of some range of keys can be reached for the level.

    Attributes: what (a scan, a watch), level (its name), missing (why, by node URL).
    """

    def __init__(self, what: str, level: str, missing: "dict[str, str]") -> None:
        why = "; ".join(f"{url}: {reason}" for url, reason in sorted(missing.items()))
        super().__init__(
            f"{what} at level {level} needs more owners of some keys than can answer"
            f"{f' ({why})' if why else ''}; continue when they can, after the last key that was returned"
        )
        self.what, self.level, self.missing = what, level, missing


class OutcomeUnknownError(UnavailableError, nothing_written=False):
    """A write was sent and too few replicas answered: it may take effect, now or later, or not.

    Attributes: key, needed and acked (replicas), missing (why, by node URL).
    """

    def __init__(self, key: str, needed: int, acked: int, missing: "dict[str, str]") -> None:
        why = "; ".join(f"{url}: {reason}" for url, reason in missing.items())
        super().__init__(
            f"the write of key {brief(key)} was sent but its outcome is unknown: {acked} of {needed} needed"
            f" replicas have it ({why}); it may still take effect: read the key before you write it again (a"
            " write with an idempotency key may simply be sent again)"
        )
        self.key, self.needed, self.acked, self.missing = key, needed, acked, missing


class ContendedError(UnavailableError, nothing_written=False):
    """Others kept writing newer versions of the key. Attributes: key, attempts."""

    def __init__(self, key: str, attempts: int) -> None:
        super().__init__(f"key {brief(key)} was overtaken by newer writes {attempts} times; try again")
        self.key, self.attempts = key, attempts


class WrongNodeError(UnavailableError):
    """A peer's call is meant for another node, whose address leads here. Attribute: node_url, of this one."""

    def __init__(self, node_url: str, meant: str) -> None:
        super().__init__(f"{node_url} answers at the address of {meant!r}: it leads to another node")
        self.node_url = node_url


class NotMemberError(UnavailableError):
    """The node belongs to no cluster yet, or not to the caller's; the text names the case. Attribute:
    cluster_id, the node's; empty: it belongs to none.
    """

    def __init__(self, text: str, cluster_id: str) -> None:
        super().__init__(text)
        self.cluster_id = cluster_id


class WrongClusterError(UnavailableError, may_pass=False):
    """A client's call is meant for another cluster than the node's. The client library raises it once no
    address leads to its own: it doesn't pass. Attributes: node_url, cluster_id (the node's; empty: it belongs
    to none), asked.
    """

    def __init__(self, node_url: str, cluster_id: str, asked: str) -> None:
        where = f"cluster {cluster_id}" if cluster_id else "no cluster"
        super().__init__(
            f"{node_url} belongs to {where}, the call is meant for cluster {asked}: the address leads to"
            " another cluster, or the cluster was made anew: then connect anew; nothing was written"
        )
        self.node_url, self.cluster_id, self.asked = node_url, cluster_id, asked


class ClientStateError(UnavailableError, may_pass=False):
    """A client that isn't open here: it is not open yet, or closed, or was opened in another event loop or
    before a fork. Nothing was sent; the text says what to do.
    """


class StaleEpochError(UnavailableError):
    """The replica knows a newer topology than the caller. Attribute: topology (core.topology.Topology)."""

    def __init__(self, topology: Any) -> None:  # noqa: ANN401 (this module is below the topology's)
        super().__init__(f"the topology has moved on to epoch {topology.epoch}; start over with it")
        self.topology = topology


class ClockSkewError(UnavailableError):
    """A version or a clock is further ahead than MAX_CLOCK_SKEW. Attributes: ahead and limit, in ms."""

    def __init__(self, what: str, ahead: int, limit: int) -> None:
        super().__init__(
            f"{what} is {ahead} ms ahead of the clock, more than {limit} ms (MAX_CLOCK_SKEW):"
            " set the nodes' clocks right (NTP)"
        )
        self.ahead, self.limit = ahead, limit


class TopologyChangeError(LimeDBError, nothing_written=True):
    """A change of the topology that can't be made now; the text has the reason."""


class RequestTimeoutError(LimeDBError, may_pass=True):
    """The deadline passed. Attributes: seconds (the length of the wait), waited_for."""

    def __init__(self, seconds: float, waited_for: str) -> None:
        super().__init__(f"no answer within {seconds:.3g} s from {waited_for}")
        self.seconds, self.waited_for = seconds, waited_for


class WatchGapError(LimeDBError):
    """Changes that a watch should report are no longer known. Attribute: oldest, the version from which on
    they are known.
    """

    def __init__(self, oldest: int, why: str = "") -> None:
        why = why or "nodes were restarted or keep no older ones, or this watch reads too slowly"
        super().__init__(
            f"there is a gap in the changes: they are certainly known from version {oldest} on ({why}); watch"
            " from now on and, once that watch has begun, scan the keys"
        )
        self.oldest = oldest


class TooManyWatchesError(LimeDBError, nothing_written=True, may_pass=True):
    """A node serves no more watches. Attributes: whose (of this node, or of one connection), limit."""

    retry_seconds = 1.0

    def __init__(self, whose: str, limit: int) -> None:
        super().__init__(
            f"{whose} has {limit} watches already, the most that are allowed: end some, watch a prefix in"
            " place of many keys, or ask another node"
        )
        self.whose, self.limit = whose, limit


class ResponseTooLargeError(LimeDBError, too_large=True):
    """The answer would be over the size of a message. Attributes: size and limit, in bytes."""

    def __init__(self, size: int, limit: int, remedy: str) -> None:
        super().__init__(f"the answer would hold {size} bytes or more, over the limit of {limit}: {remedy}")
        self.size, self.limit = size, limit


class OverloadedError(LimeDBError, nothing_written=True, may_pass=True):
    """The node has no room left for a request; nothing was done. Attributes: share (what the room is for),
    size (that it needed), held and limit (of that share), in bytes or in `unit`.
    """

    retry_seconds = 1.0

    def __init__(self, share: str, size: int, held: int, limit: int, unit: str = "bytes") -> None:
        full = (
            f"the node's memory for {share} is full" if unit == "bytes" else f"the node has too many {share}"
        )
        super().__init__(
            f"{full}: {held} of {limit} {unit} are held, {size} more were needed; nothing was written. Try"
            f" again in a moment{_REMEDIES.get(unit, '')}"
        )
        self.share, self.size, self.held, self.limit = share, size, held, limit


_REMEDIES = {
    "bytes": ", send or ask for less at once and read the answers, or raise MAX_MEMORY",
    "calls": ", send fewer at once, or ask another node",
    "requests": ", and send large requests one after another",
    "lookups": ": many callers show tokens that this node doesn't know yet",
}
"""How the text of an OverloadedError ends, by its unit."""


class LimitExceededError(LimeDBError, nothing_written=True, may_pass=True):
    """This client has as much as it may have at a node; nothing was done. Attributes: whose (a user, or an
    address), setting (the one that has the limit), limit, retry_seconds.
    """

    retry_seconds = 1.0

    def __init__(self, whose: str, setting: str, limit: int, what: str, retry_seconds: float = 1.0) -> None:
        super().__init__(
            f"{whose} may have {limit} {what} at this node ({setting}), and has; nothing was written. Try"
            f" again in {retry_seconds:.3g} s"
        )
        self.whose, self.setting, self.limit = whose, setting, limit
        self.retry_seconds = retry_seconds


class RemoteError(LimeDBError):
    """A peer's own error, passed on: it has the attributes of the class that the peer raised, by its reason.

    Attributes: node_url, reason, code (gRPC's name), text (the peer's), facts (of that class, as texts).
    """

    def __init__(
        self, node_url: str, reason: str, code: str, text: str, facts: "Mapping[str, str] | None" = None
    ) -> None:
        super().__init__(f"node {node_url}: {text}")
        self.node_url, self.reason, self.code = node_url, reason, code
        self.text, self.facts = text, facts or {}
        known = CLASSES.get(reason, LimeDBError)
        self.nothing_written, self.too_large = known.nothing_written, known.too_large
        self.may_pass = known.may_pass if reason in CLASSES else code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def is_too_large(error: LimeDBError) -> bool:
    """Whether the caller must ask for less at once, here or at a peer."""
    return error.too_large


class PartialFailureError(LimeDBError):
    """Some of many keys failed; the others were carried out. Attributes: errors (by key), total (keys).
    nothing_written: all keys failed, and of each it is certain.
    """

    def __init__(self, errors: "dict[str, LimeDBError]", total: int) -> None:
        key, first = next(iter(errors.items()))
        super().__init__(f"{len(errors)} of {total} keys failed; key {brief(key)}: {first}")
        self.errors, self.total = errors, total
        is_all = len(errors) == total
        self.nothing_written = is_all and all(error.nothing_written for error in errors.values())


class PeersOnlyError(LimeDBError, nothing_written=True):
    """A call that nodes take from each other alone, from a caller that proved to be none. Attributes: claimed
    (the node that it claimed to be; empty: none), why.
    """

    def __init__(self, claimed: str, why: str) -> None:
        super().__init__(f"{why}; this service is for the nodes of the cluster")
        self.claimed, self.why = claimed, why


class UnsupportedError(LimeDBError, nothing_written=True):
    """The server, or this version, can't do this. Attribute: what."""

    def __init__(self, what: str, text: str) -> None:
        super().__init__(text)
        self.what = what


class UnknownHostError(LimeDBError, nothing_written=True):
    """Envoy was asked under a name that it doesn't have."""

    def __init__(self) -> None:
        super().__init__(
            "Envoy has no such name: use localhost or an IP address, or give Envoy the option --server-name"
        )


class StoreError(LimeDBError, may_pass=True):
    """The disk or its format failed."""


class StoreFullError(StoreError, nothing_written=True, may_pass=False):
    """No room for a write: nothing of it was stored, and all stored data stays."""


class StoreClosedError(StoreError, nothing_written=True):
    """The store was used after it was closed."""

    def __init__(self) -> None:
        super().__init__("the store is closed")


class StoreCorruptError(StoreError, may_pass=False):
    """Stored bytes that can't be stored data; the text has the place."""


class StoreDamagedError(StoreCorruptError):
    """A file of the node as a whole is damaged, missing or replaced: its content can't be trusted. The text
    names the file and the place.
    """


LOST = "no other replica has it"
"""The last words of the reason why a record is damaged, once that is known."""


class RecordDamagedError(StoreCorruptError, nothing_written=True):
    """The records of some keys are damaged in this store, so it can report neither a value nor its absence.
    Nothing was written. Attributes: keys, why.
    """

    def __init__(self, keys: "tuple[str, ...]", why: str) -> None:
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        advice = (
            "write the key again or delete it"
            if why.endswith(LOST)
            else "it is fetched from the other replicas if one has it: try again"
        )
        super().__init__(f"the record of key {brief(keys[0])}{more} is damaged on disk ({why}): {advice}")
        self.keys, self.why = keys, why


def _unpickled(cls: type[LimeDBError], args: "tuple[Any, ...]") -> LimeDBError:
    """An error with a text and without its facts, which pickle adds."""
    return cls.__new__(cls, *args)


def brief(key: str, limit: int = 64) -> str:
    """A key for an error text or log line: quoted, and cut after `limit` characters."""
    return repr(key) if len(key) <= limit else f"{key[:limit]!r}... ({len(key)} characters)"


CLASSES: dict[str, type[LimeDBError]] = {
    found.reason: found
    for found in tuple(vars().values())
    if isinstance(found, type) and issubclass(found, LimeDBError) and found is not RemoteError
}
"""The classes by reason."""
