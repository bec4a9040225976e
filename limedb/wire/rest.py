"""The REST paths of the public services, by the annotations of proto/.

It owns the facts that a gateway needs besides the transcoding itself: the methods of a path, the fields of
its query and its JSON body, and the form of the gateway's own errors. It must never know which gateway is in
use.

Tested in tests/envoy/test_rest.py and tests/wire/test_rest.py.
"""

import base64
import re
from collections.abc import Iterator
from typing import NamedTuple

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import json_format
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)

from limedb.errors import LimeDBError
from limedb.wire.status import bare_name, status_of
from limedbpb.v1 import admin_pb2, cluster_pb2, dashboard_pb2, gossip_pb2, kv_pb2, lease_pb2

_FILES = (kv_pb2, lease_pb2, cluster_pb2, gossip_pb2, admin_pb2, dashboard_pb2)
MOST = {
    FieldDescriptor.TYPE_UINT32: (1 << 32) - 1,
    FieldDescriptor.TYPE_UINT64: (1 << 64) - 1,
    FieldDescriptor.TYPE_FIXED64: (1 << 64) - 1,
    FieldDescriptor.TYPE_SINT64: (1 << 63) - 1,
}
LEAST = {FieldDescriptor.TYPE_SINT64: -(1 << 63)}
"""The least number of types with a sign."""
KINDS = dict.fromkeys(MOST, "whole") | {
    FieldDescriptor.TYPE_STRING: "text",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_DOUBLE: "number",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_MESSAGE: "message",
}
_NEEDED = frozenset({"key", "keys", "writes"})
"""Fields without which a request asks for nothing."""
_OF_GO = frozenset({
    "/gossip", "/api/v1/set", "/api/v1/set/direct", "/api/v1/get/", "/api/v1/del/", "/api/v1/keys",
    "/api/v1/cluster/state", "/api/v1/cluster/ring", "/api/v1/cluster/gossip", "/api/v1/health",
})  # fmt: skip
"""The paths of the Go LimeDB up to their keys, which ignored unknown parameters in the query."""
_VARIABLE = re.compile(r"\{(\w+)(?:=([^}]*))?\}")


class Endpoint(NamedTuple):
    """One REST path and its method."""

    method: str
    path: str
    """A regular expression of RE2, without the query."""
    body: str | None
    """The full name of the JSON body's message; None if there is no body."""
    is_stream: bool
    """Whether it answers with a line for each message, as they come."""
    message: str
    """The full name of the request's message."""
    start: str
    """The path itself, up to its variable if it has one."""
    variables: tuple[str, ...]
    """The fields that stand in the path."""
    rpc: str
    """The RPC behind it, as SERVICE/METHOD."""


def services() -> list[str]:
    """The full names of the services that have REST paths."""
    return [service.full_name for service in _services()]


def streams() -> frozenset[str]:
    """The methods that answer with a stream to one message, such as KVService/Watch."""
    return frozenset(
        f"{method.containing_service.name}/{method.name}"
        for method in _methods()
        if method.server_streaming and not method.client_streaming
    )


def endpoints() -> list[Endpoint]:
    """All paths of the public services."""
    return [endpoint for method in _methods() for endpoint in _endpoints(method)]


def paths_by_methods() -> dict[str, str]:
    """For each header Allow, such as "GET, HEAD, OPTIONS", a regular expression of its paths."""
    methods: dict[str, set[str]] = {}
    for endpoint in endpoints():
        methods.setdefault(endpoint.path, set()).add(endpoint.method)
    paths: dict[str, list[str]] = {}
    for path, taken in methods.items():
        head = ["HEAD"] if "GET" in taken else []
        paths.setdefault(", ".join([*sorted(taken), *head, "OPTIONS"]), []).append(path)
    return {allow: "|".join(sorted(some)) for allow, some in sorted(paths.items())}


def requests() -> dict[str, dict[str, str | bool]]:
    """For each path, up to its variable, the fields that a request takes.

    message: its full name. takes: the fields that may stand in the query. has_body: they may stand in a body,
    too. needs_body: without one it would ask for nothing. ignores_unknown: parameters of the query that it
    doesn't have.
    """
    return {endpoint.start: _request_facts(endpoint) for endpoint in endpoints()}


def fields() -> dict[str, dict[str, dict[str, str | bool]]]:
    """For each message of a request with a path, by full name: its fields' names in JSON, in both spellings.

    Each name maps to facts: name, the usual spelling; kind, one of text, bytes, bool, whole, number, enum and
    message; message or enum, the full name of its type; is_list; oneof, the name of the choice that it
    belongs to; most and least, the bounds of a whole number (least: where it isn't 0). Facts that don't
    apply are left out. A write has further fields for its condition, as in `_short_names`, of the further
    kind true.
    """
    found: dict[str, dict[str, dict[str, str | bool]]] = {}
    for method in _methods():
        if _endpoints(method):
            _add_fields(method.input_type, found)
    return found


def enums() -> dict[str, list[str]]:
    """The names of each enum's values, by the full name of the enum; first that of zero."""
    found = (enum for file in _FILES for enum in _enums_of(file.DESCRIPTOR))
    return {enum.full_name: [value.name for value in enum.values] for enum in found}


class Details(NamedTuple):
    """An error's details for a gateway's own answer."""

    json: list[dict[str, object]]
    grpc: str
    """gRPC's trailer, in base64."""
    connect: list[dict[str, str]]
    """In JSON, in the form of the Connect protocol."""


def details_of(error: LimeDBError) -> Details:
    """An error's details in each form."""
    status = status_of(error)
    details: list[dict[str, object]] = json_format.MessageToDict(status)["details"]
    connect = [
        {"type": bare_name(detail.type_url), "value": base64.b64encode(detail.value).decode().rstrip("=")}
        for detail in status.details
    ]
    return Details(details, base64.b64encode(status.SerializeToString()).decode(), connect)


def _services() -> Iterator[ServiceDescriptor]:
    for file in _FILES:
        yield from file.DESCRIPTOR.services_by_name.values()


def _methods() -> Iterator[MethodDescriptor]:
    for service in _services():
        yield from service.methods


def _endpoints(method: MethodDescriptor) -> list[Endpoint]:
    rule, message = _rule(method), method.input_type.full_name
    found = []
    for binding in (rule, *rule.additional_bindings):
        if verb := binding.WhichOneof("pattern"):
            template = getattr(binding, verb)
            found.append(
                Endpoint(
                    method=verb.upper(),
                    path=_expression(template),
                    body=message if binding.body else None,
                    is_stream=method.server_streaming,
                    message=message,
                    start=template.partition("{")[0],
                    variables=tuple(match[1] for match in _VARIABLE.finditer(template)),
                    rpc=f"{method.containing_service.full_name}/{method.name}",
                )
            )
    return found


def _request_facts(endpoint: Endpoint) -> dict[str, str | bool]:
    message = next(m.input_type for m in _methods() if m.input_type.full_name == endpoint.message)
    names = {field.json_name for field in message.fields}
    short = {
        str(facts["name"])
        for field in message.fields
        if field.message_type is not None and field.message_type.name == "Condition"
        for facts in _short_names(field, field.message_type).values()
    }
    in_query = sorted((names | short) - set(endpoint.variables) - ({"condition"} if short else set()))
    facts: dict[str, str | bool] = {"message": endpoint.message, "takes": ", ".join(in_query) or "none"}
    if endpoint.body:
        facts |= {"has_body": True, "needs_body": not names.isdisjoint(_NEEDED)}
    return facts | ({"ignores_unknown": True} if endpoint.start in _OF_GO else {})


def _rule(method: MethodDescriptor) -> HttpRule:
    """The method's annotation; the stubs of google.api don't say that it is an extension."""
    rule: HttpRule = method.GetOptions().Extensions[annotations_pb2.http]  # type: ignore[index]
    return rule


def _expression(template: str) -> str:
    """A path's template, such as /api/v1/get/{key=**}, as a regular expression. The path of a key may end
    before it, and any other may have a slash at its end.
    """
    if template.endswith("/{key=**}"):
        return re.escape(template.removesuffix("/{key=**}")) + "(/.*)?"
    parts, at = [], 0
    for variable in _VARIABLE.finditer(template):
        parts += [re.escape(template[at : variable.start()]), _segments(variable[2] or "*")]
        at = variable.end()
    may_end = template[-1] not in "/}"
    return "".join([*parts, re.escape(template[at:]), "/?" if may_end else ""])


def _segments(pattern: str) -> str:
    """The segments of a variable: * is one, ** any number."""
    return "".join(
        {"**": ".*", "*": "[^/]+"}.get(part, re.escape(part)) for part in re.split(r"(\*\*?)", pattern)
    )


def _enums_of(file: FileDescriptor) -> Iterator[EnumDescriptor]:
    yield from file.enum_types_by_name.values()
    for needed in file.dependencies:
        yield from _enums_of(needed)


def _add_fields(message: Descriptor, found: dict[str, dict[str, dict[str, str | bool]]]) -> None:
    if message.full_name in found:
        return
    found[message.full_name] = names = {}
    for field in message.fields:
        names[field.name] = names[field.json_name] = _facts(field)
        if field.message_type is not None:
            _add_fields(field.message_type, found)
            if field.name == "condition":
                names["condition"]["oneof"] = "condition"
                names |= _short_names(field, field.message_type)


def _short_names(condition: FieldDescriptor, holds: Descriptor) -> dict[str, dict[str, str | bool]]:
    """The fields of REST that stand for a whole condition, one of which may be there instead of it:
    ifVersion, ifValue, ifBlob, ifExists and ifAbsent. holds: the condition's message. Facts: part, the field
    of the condition that has their value; gives, the value that it has instead.
    """
    of = {field.name: field for field in holds.fields}
    parts = {name: name for name in ("version", "value", "blob", "exists")} | {"absent": "exists"}
    found: dict[str, dict[str, str | bool]] = {}
    for name, part in parts.items():
        facts = {**_facts(of[part]), "name": f"if{name.title()}", "part": part, "oneof": condition.name}
        if part == "exists":
            facts |= {"kind": "true", "gives": "true" if name == part else "false"}
        found[f"if{name.title()}"] = found[f"if_{name}"] = facts
    return found


def _facts(field: FieldDescriptor) -> dict[str, str | bool]:
    oneof = field.containing_oneof
    facts: dict[str, str | bool] = {"name": field.json_name, "kind": KINDS[field.type]}
    if field.message_type is not None:
        facts["message"] = field.message_type.full_name
    if field.enum_type is not None:
        facts["enum"] = field.enum_type.full_name
    if field.is_repeated:
        facts["is_list"] = True
    if oneof is not None and len(oneof.fields) > 1:
        facts["oneof"] = oneof.name
    if field.type in MOST:
        facts["most"] = str(MOST[field.type])
    if field.type in LEAST:
        facts["least"] = str(LEAST[field.type])
    return facts
