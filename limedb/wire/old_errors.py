"""Errors as nodes and clients of version 0.1 send and read them: a class by its name, in trailers and fields.

It alone owns that form: a rolling restart needs it, since old nodes know no other. It must never read an
error that has details (`wire/status.py` does).

Remove it in the version after 0.2: this module, each use of it (all name `old_errors`), and in the protos the
fields `Refusal.kind` and `Refusal.facts`, the fields `failure`, and the message `Failure`.

Tested in tests/wire/test_status.py.
"""

import json
import re
from collections.abc import Iterable, Mapping

from google.protobuf.json_format import MessageToDict
from google.rpc import status_pb2

from limedb import errors
from limedbpb.v1 import kv_pb2, replica_pb2

KIND = "limedb-error"
"""The trailer with the name of the class."""

FACTS = "limedb-facts"
"""The trailer with `ahead` and `limit` of a ClockSkewError, or the oldest version of a WatchGapError."""

_FACTS_OF: dict[type[errors.LimeDBError], tuple[str, ...]] = {
    errors.ClockSkewError: ("ahead", "limit"),
    errors.WatchGapError: ("oldest",),
}
_RENAMED = {"reason": "why"}
"""Facts that had another name in version 0.1."""


def kind_of(error: BaseException) -> str:
    """The name of an error's class; for a RemoteError, that of the peer's error."""
    if isinstance(error, errors.RemoteError):
        known = errors.CLASSES.get(error.reason)
        return known.__name__ if known else f"{error.reason.title().replace('_', '')}Error"
    return type(error).__name__ if isinstance(error, errors.LimeDBError) else "InternalError"


def facts_of(error: BaseException) -> str:
    """The content of the trailer FACTS; empty if there is none."""
    return " ".join(str(getattr(error, name)) for name in _names_of(type(error)))


def trailers_of(error: BaseException) -> tuple[tuple[str, str], ...]:
    """The trailers of an error."""
    kind = (KIND, kind_of(error))
    return (kind, (FACTS, facts)) if (facts := facts_of(error)) else (kind,)


def failure_of(error: BaseException) -> kv_pb2.Failure:
    """An error of one item of a batch; facts that are neither numbers, texts nor dicts are left out. A whole
    number of over 53 bits, such as a version, is a text, since a Struct's number would round it.
    """
    failure = kv_pb2.Failure(kind=kind_of(error))
    known = vars(error) if isinstance(error, errors.LimeDBError) else {}
    old = {now: before for before, now in _RENAMED.items()}
    for name, fact in known.items():
        if isinstance(fact, str | int | float):
            failure.facts[old.get(name, name)] = (
                str(fact) if isinstance(fact, int) and abs(fact) > 1 << 53 else fact
            )
        elif isinstance(fact, dict):
            failure.facts.get_or_create_struct(name).update({str(k): str(v) for k, v in fact.items()})
    return failure


def from_trailers(
    node_url: str, code: str, text: str, trailers: Iterable[tuple[str, str | bytes]]
) -> errors.RemoteError | None:
    """The error in trailers; None: they contain none."""
    found = {name: str(value) for name, value in trailers if name in (KIND, FACTS)}
    return _remote(node_url, found[KIND], code, text, found.get(FACTS, "")) if KIND in found else None


def from_refusal(node_url: str, code: str, refusal: replica_pb2.Refusal) -> errors.RemoteError:
    """The error in a peer's answer."""
    return _remote(node_url, refusal.kind, code, refusal.message, refusal.facts)


def from_failure(
    node_url: str, code: str, status: status_pb2.Status, failure: kv_pb2.Failure
) -> errors.RemoteError:
    """The error of one item of a batch."""
    facts = {_RENAMED.get(name, name): _text_of(fact) for name, fact in MessageToDict(failure.facts).items()}
    return errors.RemoteError(node_url, _reason(failure.kind), code, status.message, facts)


def _remote(node_url: str, kind: str, code: str, text: str, facts: str) -> errors.RemoteError:
    reason = _reason(kind)
    names = _names_of(errors.CLASSES.get(reason))
    named: Mapping[str, str] = dict(zip(names, facts.split(), strict=False))
    return errors.RemoteError(node_url, reason, code, text, named)


def _names_of(cls: type | None) -> tuple[str, ...]:
    return next((names for known, names in _FACTS_OF.items() if known is cls), ())


def _reason(kind: str) -> str:
    return errors.reason_from(kind) if re.fullmatch("[A-Za-z]{1,48}", kind) else errors.LimeDBError.reason


def _text_of(fact: object) -> str:
    if isinstance(fact, float) and fact.is_integer():
        return str(int(fact))
    return fact if isinstance(fact, str) else json.dumps(fact)
