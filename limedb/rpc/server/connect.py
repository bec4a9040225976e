"""Calls in the Connect protocol, which Envoy turns into gRPC, but for the form of their messages.

It owns the header from Envoy, messages in JSON, and how details of an error are named there. It must never
guess the form by the bytes. REST doesn't come here: for that, Envoy's transcoder makes protobuf of JSON.

Tested in tests/rpc/server/test_connect.py and tests/scenarios/test_connect.py.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from limedb.errors import MalformedRequestError, ResponseTooLargeError

HEADER = "x-limedb-connect"
"""Envoy adds it to these calls, with the form of their messages, and removes it from clients' headers."""
JSON = (HEADER, "application/grpc+json")

MOST_BYTES = 8 << 20
"""The largest request in JSON, and the most bytes of protobuf that become an answer in JSON."""
ASIDE_BYTES = 16 << 10
"""Messages of more bytes are converted in a thread: the event loop would stand still as long."""
_URL_SAFE = str.maketrans("-_", "+/")
COPIES = 2
"""How many times as much memory a message in JSON takes as one in protobuf."""


class JsonMessages:
    """Converts the messages of a method, one way each."""

    def __init__(self, method: MethodDescriptor) -> None:
        self._request: type[Message] = GetMessageClass(method.input_type)
        self._answer: type[Message] = GetMessageClass(method.output_type)
        self._method, self._has_bytes = method, _has_bytes(method.input_type)

    async def request(self, data: bytes) -> bytes:
        """A request in protobuf's form. MalformedRequestError."""
        if len(data) > MOST_BYTES:
            raise MalformedRequestError(
                f"a request of {len(data)} bytes in JSON: at most {MOST_BYTES}, or send it as protobuf"
            )
        return await asyncio.to_thread(self._parse, data) if len(data) > ASIDE_BYTES else self._parse(data)

    def _parse(self, data: bytes) -> bytes:
        try:
            if not data.lstrip().startswith(b"{"):  # an empty list would be taken for an empty object
                raise ValueError("it is not an object")
            if self._has_bytes:
                _check_bytes(json.loads(data), self._method.input_type)
            return json_format.Parse(data, self._request()).SerializeToString()
        except (json_format.ParseError, ValueError, RecursionError) as error:
            name = self._request.DESCRIPTOR.name
            why = str(error).partition("\n")[0]  # Envoy leaves a line's end as %0A
            raise MalformedRequestError(f"the request is not a {name} in JSON: {why}") from None

    async def answer(self, data: bytes) -> bytes:
        """An answer in JSON, from protobuf's form. ResponseTooLargeError."""
        if len(data) > MOST_BYTES:
            raise ResponseTooLargeError(
                len(data), MOST_BYTES, "ask for less, or for protobuf instead of JSON"
            )
        return await asyncio.to_thread(self._write, data) if len(data) > ASIDE_BYTES else self._write(data)

    def _write(self, data: bytes) -> bytes:
        return json_format.MessageToJson(self._answer.FromString(data), indent=None).encode()


def _has_bytes(message: Descriptor) -> bool:
    """Whether a request, none of which holds itself, has bytes anywhere."""
    return any(
        field.type == field.TYPE_BYTES or (field.message_type is not None and _has_bytes(field.message_type))
        for field in message.fields
    )


def _check_bytes(fields: Mapping[str, Any], message: Descriptor) -> None:
    """ValueError: bytes that are not base64, in either alphabet: protobuf would leave digits out."""
    for field in message.fields:
        given = fields.get(field.json_name, fields.get(field.name))
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, dict) and field.message_type is not None:
                _check_bytes(value, field.message_type)
            elif isinstance(value, str) and field.type == field.TYPE_BYTES:
                _check_base64(field.json_name, value)


def _check_base64(name: str, text: str) -> None:
    digits = "".join(text.split()).rstrip("=")
    try:
        base64.b64decode(digits.translate(_URL_SAFE) + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        raise ValueError(f"{name}={text:.64}: must be base64") from None


class Handlers(grpc.GenericRpcHandler):
    """The methods of a service, by their names: in protobuf's form and, for some services, in JSON."""

    def __init__(
        self,
        service: str,
        binary: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"],
        json: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"],
    ) -> None:
        self._binary = {f"/{service}/{name}": handler for name, handler in binary.items()}
        self._json = {f"/{service}/{name}": handler for name, handler in json.items()}

    def service(self, call: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler for a call; None: the method is another service's."""
        form = self._json if JSON in call.invocation_metadata else self._binary
        handler: grpc.RpcMethodHandler[Any, Any] | None = form.get(call.method)
        return handler


def name_details(status: status_pb2.Status, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    """In the Connect protocol, details are named by the full names of their types, not by URLs."""
    if any(name == HEADER for name, _ in context.invocation_metadata() or ()):
        for detail in status.details:
            detail.type_url = detail.type_url.rpartition("/")[2]
