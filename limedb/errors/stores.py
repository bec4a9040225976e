"""Errors of the disk and its format.

Tested in tests/errors/test_copies.py.
"""

import re

from typing_extensions import override

from limedb.errors.base import LimeDBError, brief

_FOLDERS = re.compile(r"""(?<![\w./:-])(?!docs/)(?:[^\s:'"();,/]*/)+""")
"""The folders before a file's name in a text."""


class StoreError(LimeDBError, may_pass=True):
    """The disk or its format failed."""

    @property
    @override
    def public_text(self) -> str:
        """The text without the folders of the node's files: the log and `limedb admin status` have them."""
        return _FOLDERS.sub("", str(self))


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

    @property
    @override
    def public_text(self) -> str:
        """The text as it is: a slash in it may be a key's."""
        return str(self)
