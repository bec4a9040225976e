"""Errors as messages that keep their class and facts, and back.

It owns how an error travels where it is one of many, or where its reader acts on what it says: the class by
its name, the facts as the attributes that it has. It must never read an error's text.
"""

from collections.abc import Mapping
from inspect import signature

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.rpc import status_pb2
from google.rpc.code_pb2 import Code

from limedb import errors
from limedb.wire.status import kind_of
from limedbpb.v1 import kv_pb2


def failure_of(error: errors.LimeDBError) -> kv_pb2.Failure:
    """The class and the facts of an error; facts that are neither numbers nor texts stay here."""
    failure = kv_pb2.Failure(kind=kind_of(error))
    for name, fact in vars(error).items():
        if isinstance(fact, str | int | float):
            failure.facts[name] = fact
        elif isinstance(fact, dict):
            failure.facts.get_or_create_struct(name).update({str(k): str(v) for k, v in fact.items()})
    return failure


def error_from(node_url: str, status: status_pb2.Status, failure: kv_pb2.Failure) -> errors.LimeDBError:
    """The error that a node told, of the class that it was; RemoteError where that class isn't known here."""
    code = Code.Name(status.code) if status.code in Code.values() else "UNKNOWN"
    return named_error(node_url, failure.kind, code, status.message, _facts_from(failure.facts))


def named_error(
    node_url: str, kind: str, code: str, text: str, facts: Mapping[str, object]
) -> errors.LimeDBError:
    """The error of a class with a text. A fact that wasn't told is None."""
    known = _KNOWN.get(kind)
    if known is None:
        return errors.RemoteError(node_url, kind, code, text)
    error = known.__new__(known, text)
    if known.__init__ is not Exception.__init__:
        error.__dict__.update(dict.fromkeys(signature(known).parameters))
    error.__dict__.update(facts)
    return error


def _facts_from(facts: Struct) -> dict[str, object]:
    found: dict[str, object] = MessageToDict(facts)
    return {
        name: int(fact) if isinstance(fact, float) and fact.is_integer() else fact
        for name, fact in found.items()
    }


_KNOWN = {
    name: cls
    for name, cls in vars(errors).items()
    if isinstance(cls, type) and issubclass(cls, errors.LimeDBError) and cls is not errors.RemoteError
}
"""The classes that an error can have here, by name."""
