"""A client's request to a group: comparisons, and the steps that follow.

It owns the request, its name in all attempts, and the limits of its keys. It must never judge one:
`operation.py` does.

Tested in tests/replication/groups/test_operation.py.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from limedb.core.condition import Condition
from limedb.core.groups import MAX_KEYS, tag_of
from limedb.errors import InvalidRequestError, brief
from limedb.replication.requests import Write


class Comparison(NamedTuple):
    """The condition that a key must meet."""

    key: str
    condition: Condition


class Lookup(NamedTuple):
    """A step that reads a key."""

    key: str


Step = Write | Lookup
"""A write has no condition and no idempotency key of its own."""


class Transaction(NamedTuple):
    """A change of keys of one group. success: the steps if all comparisons hold; failure: if one doesn't.
    Each step sees the state before all of them.

    idempotency_key, attempt: as those of a Write.
    """

    comparisons: Sequence[Comparison]
    success: Sequence[Step]
    failure: Sequence[Step] = ()
    idempotency_key: bytes = b""
    attempt: int = 0

    @property
    def keys(self) -> list[str]:
        """Its different keys, in order."""
        return [*dict.fromkeys(part.key for part in self._parts())]

    @property
    def read_keys(self) -> set[str]:
        """Its keys whose values are judged or returned. For the others only version and expiry count."""
        compared = {one.key for one in self.comparisons if one.condition.value is not None}
        steps = (*self.success, *self.failure)
        return compared | {s.key for s in steps if isinstance(s, Lookup) or s.edit is not None}

    def _parts(self) -> Iterator[Comparison | Step]:
        yield from self.comparisons
        yield from self.success
        yield from self.failure

    @property
    def reads_only(self) -> bool:
        """Whether it never writes."""
        return not any(isinstance(step, Write) for step in (*self.success, *self.failure))

    @property
    def name(self) -> bytes:
        """16 bytes that name it in all its attempts; empty: it has no idempotency key."""
        if not self.idempotency_key:
            return b""
        content = repr((self.comparisons, self.success, self.failure)).encode()
        hashed = blake2b(self.idempotency_key, digest_size=16)
        hashed.update(len(self.idempotency_key).to_bytes(8, "big") + content)
        return hashed.digest()

    def tag(self) -> str:
        """The tag that all its keys have. InvalidRequestError: they have different ones, or too many keys."""
        keys = self.keys
        if not keys:
            raise InvalidRequestError("a transaction names no key: give it comparisons or steps")
        if len(keys) > MAX_KEYS:
            raise InvalidRequestError(f"a transaction has {len(keys)} keys: it may have {MAX_KEYS}")
        _check_once(self.success)
        _check_once(self.failure)
        return _common_tag(keys)


def _common_tag(keys: Sequence[str]) -> str:
    first = tag_of(keys[0])
    for key in keys:
        tag = tag_of(key)
        if not tag:
            raise InvalidRequestError(
                f"key {brief(key)} has no tag: the keys of a transaction share the text between their"
                " first { and the next }, as in {cart:7}items"
            )
        if tag != first:
            raise InvalidRequestError(
                f"keys {brief(keys[0])} and {brief(key)} have different tags; a transaction has one"
            )
    return first


def _check_once(steps: Sequence[Step]) -> None:
    written: set[str] = set()
    for step in steps:
        if isinstance(step, Write) and step.key in written:
            raise InvalidRequestError(f"key {brief(step.key)} is written twice: each key may be written once")
        written.add(step.key if isinstance(step, Write) else "")
