"""The rights of callers: roles over prefixes of keys, and the identities that have them.

It owns the decision for a key, a range of keys and a role without keys. It must never know how an identity
was proven, nor the form of a request.

A range is allowed only if all of it is: prefixes that touch or overlap count as one span, so that the answer
doesn't depend on how rights were written down.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from limedb.core.key_range import KeyRange, end_of_prefix


class Role(StrEnum):
    """What an identity may do."""

    READ = "read"
    """Read and list keys, and see which nodes hold them."""
    WRITE = "write"
    """Store and delete."""
    WATCH = "watch"
    """Follow the changes of keys."""
    ADMIN = "admin"
    """All of the above, write to one chosen node, and manage the users whose rights lie within its own."""
    OPERATOR = "operator"
    """See the whole cluster, repair it, and change its membership. It includes no key."""
    NODE = "node"
    """Be a node of the cluster. Nobody can grant this role: nodes prove it to each other."""

    __hash__ = str.__hash__  # that of Enum takes longer than all the rest of a decision


OF_KEYS = (Role.READ, Role.WRITE, Role.WATCH, Role.ADMIN)
"""The roles that hold over a prefix."""
GRANTABLE = (*OF_KEYS, Role.OPERATOR)
"""The roles that users may have."""


class Grant(NamedTuple):
    """A role, and the prefix of the keys that it holds for; empty: all keys."""

    role: Role
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.role.value}:{self.prefix}" if self.prefix else self.role.value


def parse_grant(text: str) -> Grant:
    """A grant as ROLE or ROLE:PREFIX. ValueError: the text isn't one."""
    name, colon, prefix = text.partition(":")
    if name not in {role.value for role in GRANTABLE}:
        raise ValueError(f"a role is one of {', '.join(GRANTABLE)}, with :PREFIX for some keys: {text!r:.80}")
    if colon and not prefix:
        raise ValueError(f"{text!r} has an empty prefix; {name} alone means all keys")
    if prefix and name == Role.OPERATOR:
        raise ValueError(f"{name} holds for the whole cluster, and takes no prefix")
    return Grant(Role(name), prefix)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was recognised. expires_at_ms: since 1970; 0: never."""

    name: str
    grants: tuple[Grant, ...]
    expires_at_ms: int = 0
    _prefixes: dict[Role, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _names: dict[Role, tuple[bytes, ...]] = field(init=False, repr=False, compare=False)
    _spans: dict[Role, tuple[KeyRange, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        prefixes = {role: tuple(self._granted(role)) for role in OF_KEYS}
        names = {role: tuple(p.encode() for p in found) for role, found in prefixes.items()}
        spans = {role: tuple(_merged(found)) for role, found in prefixes.items()}
        for name, value in (("_prefixes", prefixes), ("_names", names), ("_spans", spans)):
            object.__setattr__(self, name, value)

    def has(self, role: Role) -> bool:
        """Whether it has a role at all, even if only for some keys."""
        return bool(self._prefixes[role]) if role in OF_KEYS else any(g.role is role for g in self.grants)

    def may(self, role: Role, key: str) -> bool:
        """Whether it has a role for a key."""
        return key.startswith(self._prefixes[role])

    def may_name(self, role: Role, name: bytes) -> bool:
        """The same for the UTF-8 of a key."""
        return name.startswith(self._names[role])

    def may_all(self, role: Role, keys: KeyRange) -> bool:
        """Whether it has a role for all keys of a range, those that don't exist included."""
        return any(
            span.start <= keys.start and (span.end is None or (keys.end is not None and keys.end <= span.end))
            for span in self._spans[role]
        )

    def may_grant(self, grant: Grant) -> bool:
        """Whether it may give a right to others, or manage those who have it."""
        if grant.role is Role.OPERATOR:
            return self.has(Role.OPERATOR) and self.may_all(Role.ADMIN, KeyRange())
        return grant.role in OF_KEYS and self.may_all(Role.ADMIN, span_of(grant.prefix))

    def _granted(self, role: Role) -> Iterable[str]:
        return (grant.prefix for grant in self.grants if grant.role in (role, Role.ADMIN))


def span_of(prefix: str) -> KeyRange:
    """All keys with a prefix."""
    return KeyRange(prefix, end_of_prefix(prefix))


def _merged(prefixes: Iterable[str]) -> list[KeyRange]:
    """The spans of prefixes, as few as possible."""
    merged: list[KeyRange] = []
    for span in sorted(map(span_of, prefixes), key=lambda span: span.start):
        last = merged[-1] if merged else None
        if last is None or (last.end is not None and last.end < span.start):
            merged.append(span)
        elif last.end is not None:
            end = None if span.end is None else max(last.end, span.end)
            merged[-1] = KeyRange(last.start, end)
    return merged
