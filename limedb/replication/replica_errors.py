"""The failure of a replica, in words and kinds.

It owns these two questions about an error. It must never decide what follows from it.

Tested in tests/replication/write/test_writer.py and tests/replication/read/test_reader.py.
"""

from limedb.errors import (
    LimeDBError,
    NotMemberError,
    OutcomeUnknownError,
    ReplicaUnreachableError,
    RequestTimeoutError,
    StaleEpochError,
    brief,
)


def is_replica_error(error: LimeDBError) -> bool:
    """Whether an error is a replica's own, and not of the way to it."""
    lost = ReplicaUnreachableError | OutcomeUnknownError | RequestTimeoutError | StaleEpochError
    return not isinstance(error, lost)


def is_newcomer(error: LimeDBError | None) -> bool:
    """Whether a replica refused because it belongs to no cluster (yet)."""
    return isinstance(error, NotMemberError) and error.cluster_id == ""


def failure_text(error: LimeDBError) -> str:
    """The reason why a replica didn't do its part, without its name."""
    if isinstance(error, ReplicaUnreachableError):
        return error.why
    if isinstance(error, OutcomeUnknownError):
        return "; ".join(error.missing.values()) or "no answer"
    if is_newcomer(error):
        return "it is new or lost its data: it joins, and has not heard yet that it was let in"
    return error.public_text


def in_terms_of(error: LimeDBError, own_key: str, key: str, noun: str = "key") -> LimeDBError:
    """An error of a key of LimeDB's own as one of a key that its caller knows, or of something else that has
    a noun and a name.
    """
    if getattr(error, "key", None) == own_key:
        own = brief(own_key)
        theirs = brief(key) if noun == "key" else key

        def renamed(text: str) -> str:
            return text.replace(f"key {own}", f"{noun} {theirs}").replace(own, theirs)

        error.key = key  # type: ignore[attr-defined]
        error.args = tuple(renamed(str(arg)) for arg in error.args)
        if isinstance(missing := getattr(error, "missing", None), dict):
            missing.update({url: renamed(why) for url, why in missing.items()})
    return error
