"""Calls in the Connect protocol, which Envoy turns into gRPC, except for the form of their messages.

It owns the header from Envoy, messages in JSON, and how details of an error are named there. It must never
guess the form by the bytes. REST doesn't come here: for that, Envoy's transcoder makes protobuf of JSON.

Tested in tests/rpc/server/test_connect.py and tests/scenarios/test_connect.py.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from limedb.errors import MalformedRequestError, ResponseTooLargeError
from limedb.wire import json_requests
from limedb.wire.status import bare_name

HEADER = "x-limedb-connect"
"""Envoy adds it to these calls, with the form of their messages, and removes it from clients' headers."""
JSON = (HEADER, "application/grpc+json")

MOST_BYTES = 8 << 20
"""The largest request in JSON, and the most bytes of protobuf that become an answer in JSON."""
ASIDE_BYTES = 16 << 10
"""Messages of more bytes are converted in a thread: otherwise the event loop would stand still meanwhile."""
COPIES = 2
"""How many times as much memory a message in JSON takes as one in protobuf."""


class JsonMessages:
    """Converts the messages of a method, one way each."""

    def __init__(self, method: MethodDescriptor) -> None:
        self._request: type[Message] = GetMessageClass(method.input_type)
        self._answer: type[Message] = GetMessageClass(method.output_type)
        self._method = method

    async def request(self, data: bytes) -> bytes:
        """A request in protobuf's form. MalformedRequestError."""
        if len(data) > MOST_BYTES:
            raise MalformedRequestError(
                f"a request of {len(data)} bytes in JSON: at most {MOST_BYTES}, or send it as protobuf"
            )
        return await asyncio.to_thread(self._parse, data) if len(data) > ASIDE_BYTES else self._parse(data)

    def _parse(self, data: bytes) -> bytes:
        fields = json_requests.parsed(data, self._method.input_type)
        try:
            return json_format.ParseDict(fields, self._request()).SerializeToString()
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
            detail.type_url = bare_name(detail.type_url)
