"""Errors of a request: in its content, for some of its keys, or because something doesn't exist.

Tested in tests/errors/test_copies.py.
"""

from typing import Any

from limedb.errors.base import LimeDBError, brief


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


class KeyNotFoundError(LimeDBError, nothing_written=True):
    """The key has no value: it never had one, was deleted, or has expired. Attribute: key."""

    def __init__(self, key: str) -> None:
        super().__init__("key not found")
        self.key = key


class ConditionFailedError(LimeDBError, nothing_written=True):
    """The key doesn't meet the condition of the write. Attributes: key, version (of its value; 0: it has no
    value), exists (1: it has a value, else 0), required (the condition, in words), record
    (core.record.Record; None: it has no value, or the caller didn't ask for it, or it is too large for an
    error).
    """

    record: Any = None

    def __init__(self, key: str, version: int, exists: int, required: str) -> None:
        now = f"it has version {version}" if exists else "it has no value"
        super().__init__(
            f"key {brief(key)} must have {required} for this write, and {now}; nothing was written. Read the"
            " key and decide again"
        )
        self.key, self.version, self.exists, self.required = key, version, int(exists), required

    @property
    def value(self) -> str | bytes | None:
        """The value of the key, if the error contains it; else None."""
        return self.record.value if self.record is not None else None


_REFUSED_EDITS = {
    "no_counter": "has no counter: that is a whole number from -2^63 to 2^63-1 as text, in decimal digits",
    "overflow": "has a counter that would leave the range from -2^63 to 2^63-1",
    "has_bytes": "has bytes, and text was to be added: add bytes instead (blob in REST, --file in the shell)",
    "has_text": "has text, and bytes were to be added: add text instead",
    "too_large": "has a value that is too large to be kept beside the new one, as an idempotency key asks"
    " for: leave that out, or set the new value if the version is still that of a get",
}


class EditRefusedError(LimeDBError, nothing_written=True):
    """The value of the key can't be changed as requested. Attributes: key, why (no_counter: it isn't a whole
    number; overflow: the sum would be out of range; has_bytes: an append of text to bytes; has_text: an
    append of bytes to text; too_large: it can't be kept beside the new value, as an idempotency key
    requires).
    """

    def __init__(self, key: str, why: str) -> None:
        text = _REFUSED_EDITS.get(why, "has a value that can't be changed so")
        super().__init__(f"key {brief(key)} {text}; nothing was written")
        self.key, self.why = key, why


class UnknownPathError(LimeDBError, nothing_written=True):
    """Envoy publishes nothing under this path. The text names the page that lists the paths."""


class UnknownNodeError(LimeDBError, nothing_written=True):
    """Envoy knows no node of the name in node= or x-limedb-node. The text names the nodes."""


class RequestTooLargeError(LimeDBError, nothing_written=True, too_large=True):
    """Envoy takes no request of this size. The text has the limit."""


class AssetNotFoundError(LimeDBError):
    """A file that the dashboard's build doesn't have. Attribute: path."""

    def __init__(self, path: str) -> None:
        super().__init__("the dashboard has no such file")
        self.path = path


class ResponseTooLargeError(LimeDBError, too_large=True):
    """The answer would be over the size of a message. Attributes: size and limit, in bytes."""

    def __init__(self, size: int, limit: int, remedy: str) -> None:
        super().__init__(f"the answer would hold {size} bytes or more, over the limit of {limit}: {remedy}")
        self.size, self.limit = size, limit


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


class ForeignOriginError(LimeDBError, nothing_written=True):
    """A page of another origin, from which Envoy accepts no calls. The text names the origin."""

    def __init__(self) -> None:
        super().__init__("pages of other origins may not call: give Envoy the option --origin for this one")


class PartialFailureError(LimeDBError):
    """Some of many keys failed; the others succeeded. Attributes: errors (by key), total (keys).
    nothing_written: all keys failed, and for each of them nothing was written.
    """

    def __init__(self, errors: "dict[str, LimeDBError]", total: int) -> None:
        key, first = next(iter(errors.items()))
        super().__init__(f"{len(errors)} of {total} keys failed; key {brief(key)}: {first}")
        self.errors, self.total = errors, total
        is_all = len(errors) == total
        self.nothing_written = is_all and all(error.nothing_written for error in errors.values())
