"""Groups: keys that can change together, since they share a tag.

It owns which keys belong together, and the key of their common register. It must never decide the outcome of
a change: `replication/groups` does.

A tag is the text between the first `{` of a key and the next `}`, if it isn't empty, as in Redis Cluster: so
`{cart:7}items` and `{cart:7}total` are of one group, and `{}x`, `a}b{c` and `plain` of none.

Each group has a register: a reserved key that is written conditionally only (`core/conditional.py`). The
register first decides every write of a key of the group, alone or with others, together with all that the
write changes; only then its records are stored under their own keys, with the version that was decided. This
makes changes of several keys atomic:

1. The register's value is the change that was decided last: the records to store. A coordinator that finds it
   there first stores them on a quorum, and then decides the next one: changes take effect one after another.
2. A change is judged on a quorum's records of its keys, read while a quorum has promised its ballot. No other
   change can be decided in between, so when it is decided, the keys are as it has seen them.
3. All records of a change have the register's ballot as version, and ballots rise. Storing them once more, by
   any node and however late, changes nothing: later records have higher versions.
4. Nothing of a change is stored under its keys before the change is decided, that is: on a quorum of the
   register's replicas. So a reader only sees the effects of changes that are decided, and a reader that first
   completes the register's change sees each change wholly or not at all.

Nothing depends on where the keys are: their replicas may be others than the register's.
"""

from collections.abc import Iterable
from hashlib import blake2b

from limedb.core.reserved import PREFIX, is_reserved

REGISTERS = PREFIX + "group/"
"""All registers begin with it."""
REGISTERS_END = PREFIX + "group0"
"""The first text behind all of them."""
MAX_KEYS = 128
"""The most keys that can change together."""
_LONGEST_TAG = 200
"""Characters of a tag that a register shows; it shows the hash of a longer one."""


def tag_of(key: str) -> str:
    """The tag of a key; empty: it is of no group."""
    begin = key.find("{")
    if begin < 0 or is_reserved(key):
        return ""
    end = key.find("}", begin + 2)
    return key[begin + 1 : end] if end > 0 and key[begin + 1] != "}" else ""


def has_tag(name: bytes) -> bool:
    """Whether a key, given as UTF-8, is of a group."""
    begin = name.find(b"{")
    return begin >= 0 and name[begin + 1 : begin + 2] != b"}" and name.find(b"}", begin + 2) > 0


def register_of(tag: str) -> str:
    """The key of a group's register."""
    if len(tag) <= _LONGEST_TAG:
        return f"{REGISTERS}={tag}"
    return f"{REGISTERS}#{blake2b(tag.encode(), digest_size=20).hexdigest()}"


def tags_of(keys: Iterable[str]) -> list[str]:
    """The different tags of keys, in order; those without one are left out."""
    return [*dict.fromkeys(tag for key in keys if "{" in key and (tag := tag_of(key)))]
