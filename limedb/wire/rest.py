"""The REST paths of the public services, by the annotations of proto/.

It owns the facts that a gateway needs besides the transcoding itself: the methods of a path, the fields of
its JSON body, and the form of the gateway's own errors. It must never know which gateway is in use.

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
from limedb.wire.status import status_of
from limedbpb.v1 import admin_pb2, cluster_pb2, dashboard_pb2, gossip_pb2, kv_pb2

_FILES = (kv_pb2, cluster_pb2, gossip_pb2, admin_pb2, dashboard_pb2)
_MOST = {FieldDescriptor.TYPE_UINT32: (1 << 32) - 1, FieldDescriptor.TYPE_UINT64: (1 << 64) - 1}
_VARIABLE = re.compile(r"\{\w+(?:=([^}]*))?\}")


class Endpoint(NamedTuple):
    """One REST path and its method."""

    method: str
    path: str
    """A regular expression of RE2, without the query."""
    body: str | None
    """The full name of the JSON body's message; None if there is no body."""
    is_stream: bool
    """Whether it answers with a line for each message, as they come."""


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


def json_fields() -> dict[str, dict[str, dict[str, str]]]:
    """For each message of a JSON body, by full name: its fields' names in JSON, in both spellings.

    Each name maps to facts: name, the usual spelling; message or enum, the full name of its type; oneof, the
    name of the choice that it belongs to; most, the largest number that it may be. What has none is left out.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}
    for method in _methods():
        if _rule(method).body:
            _add_fields(method.input_type, found)
    return found


def enums() -> dict[str, list[str]]:
    """The names of each enum's values, by the full name of the enum; first that of zero."""
    found = (enum for file in _FILES for enum in _enums_of(file.DESCRIPTOR))
    return {enum.full_name: [value.name for value in enum.values] for enum in found}


def details_of(error: LimeDBError) -> tuple[list[dict[str, object]], str]:
    """An error's details for a gateway's own answer: as JSON, and as gRPC's trailer in base64."""
    status = status_of(error)
    details: list[dict[str, object]] = json_format.MessageToDict(status)["details"]
    return details, base64.b64encode(status.SerializeToString()).decode()


def _services() -> Iterator[ServiceDescriptor]:
    for file in _FILES:
        yield from file.DESCRIPTOR.services_by_name.values()


def _methods() -> Iterator[MethodDescriptor]:
    for service in _services():
        yield from service.methods


def _endpoints(method: MethodDescriptor) -> Iterator[Endpoint]:
    rule = _rule(method)
    for binding in (rule, *rule.additional_bindings):
        if verb := binding.WhichOneof("pattern"):
            body = method.input_type.full_name if binding.body else None
            path = _expression(getattr(binding, verb))
            yield Endpoint(verb.upper(), path, body, method.server_streaming)


def _rule(method: MethodDescriptor) -> HttpRule:
    """The method's annotation; the stubs of google.api don't say that it is an extension."""
    rule: HttpRule = method.GetOptions().Extensions[annotations_pb2.http]  # type: ignore[index]
    return rule


def _expression(template: str) -> str:
    """A path's template, such as /api/v1/get/{key=**}, as a regular expression."""
    parts, at = [], 0
    for variable in _VARIABLE.finditer(template):
        parts += [re.escape(template[at : variable.start()]), _segments(variable[1] or "*")]
        at = variable.end()
    return "".join([*parts, re.escape(template[at:])])


def _segments(pattern: str) -> str:
    """The segments of a variable: * is one, ** any number."""
    return "".join(
        {"**": ".*", "*": "[^/]+"}.get(part, re.escape(part)) for part in re.split(r"(\*\*?)", pattern)
    )


def _enums_of(file: FileDescriptor) -> Iterator[EnumDescriptor]:
    yield from file.enum_types_by_name.values()
    for needed in file.dependencies:
        yield from _enums_of(needed)


def _add_fields(message: Descriptor, found: dict[str, dict[str, dict[str, str]]]) -> None:
    if message.full_name in found:
        return
    found[message.full_name] = names = {}
    for field in message.fields:
        names[field.name] = names[field.json_name] = _facts(field)
        if field.message_type is not None:
            _add_fields(field.message_type, found)


def _facts(field: FieldDescriptor) -> dict[str, str]:
    oneof, facts = field.containing_oneof, {"name": field.json_name}
    if field.message_type is not None:
        facts["message"] = field.message_type.full_name
    if field.enum_type is not None:
        facts["enum"] = field.enum_type.full_name
    if oneof is not None and len(oneof.fields) > 1:
        facts["oneof"] = oneof.name
    if field.type in _MOST:
        facts["most"] = str(_MOST[field.type])
    return facts
