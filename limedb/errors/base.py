"""The root of the tree, and the words that its texts share.

Tested in tests/errors/test_copies.py.
"""

import re
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
    "tried 3 times in 1.2 s"; and how the last try failed, where that is another error. retry_seconds: the
    time after which the node that refused it may admit it; 0: unknown.
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

    @property
    def public_text(self) -> str:
        """The text for those whose request failed, who may not know all that the log of the node has."""
        return str(self)

    def __reduce__(self) -> "tuple[Any, ...]":
        """Copy the error as it is: `__init__` takes other arguments than those that Exception remembers."""
        return _unpickled, (type(self), self.args), vars(self)


def is_too_large(error: LimeDBError) -> bool:
    """Whether the caller must ask for less at once, here or at a peer."""
    return error.too_large


def _unpickled(cls: type[LimeDBError], args: "tuple[Any, ...]") -> LimeDBError:
    """An error with a text and without its facts, which pickle adds."""
    return cls.__new__(cls, *args)


def brief(key: str, limit: int = 64) -> str:
    """A key for an error text or log line: quoted, and cut after `limit` characters."""
    return repr(key) if len(key) <= limit else f"{key[:limit]!r}... ({len(key)} characters)"
