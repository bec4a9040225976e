"""grpc.reflection, v1 and v1alpha: a client without protos asks for services, methods and their comments.

It owns the answers to these questions. It must never name a service that its caller can't call: through Envoy
those are the public ones.

The package grpcio-reflection finds no methods, drops comments, and has no v1; its messages are used. The two
versions differ in nothing but the package's name.

Tested in tests/rpc/server/test_reflection.py, and with real clients in tests/examples/test_tools.py.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from functools import cache
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from limedb.rpc.server.front import audiences_of
from limedb.wire import audience, descriptors

Context = grpc.aio.ServicerContext[bytes, bytes]
Request = reflection_pb2.ServerReflectionRequest
Response = reflection_pb2.ServerReflectionResponse

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
STABLE = "grpc.reflection.v1"
_ALPHA_FILE = Request.DESCRIPTOR.file


def servicers(names: Sequence[str]) -> "list[Reflection]":
    """Both versions. names: the full names of all other services of the server."""
    services = [Default().FindServiceByName(f"{_ALPHA_FILE.package}.ServerReflection"), _stable_service()]
    every = sorted({*names, HEALTH, *(service.full_name for service in services)})
    return [Reflection(service, every) for service in services]


class Reflection:
    """One version of the service. every: the services to list to those who call the node itself."""

    def __init__(self, service: ServiceDescriptor, every: Sequence[str]) -> None:
        self.service = service
        self._every = every

    async def ServerReflectionInfo(  # noqa: N802 (the name of the RPC)
        self, requests: AsyncIterator[Any], context: Context
    ) -> AsyncGenerator[bytes, None]:
        """Answer each question, in order. In either version messages are the same bytes."""
        listed = self._every
        if (audiences := audiences_of(context)) is not None:
            listed = [name for name in self._every if name in audience.services(audiences)]
        async for request in requests:
            question = Request.FromString(request.SerializeToString())
            yield _answer(question, listed).SerializeToString()


def _answer(request: Request, listed: Sequence[str]) -> Response:
    answer = Response(valid_host=request.host, original_request=request)
    try:
        _fill(answer, request, listed)
    except KeyError:
        answer.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
        answer.error_response.error_message = f"not found: {_subject(request)}"
    return answer


def _fill(answer: Response, request: Request, listed: Sequence[str]) -> None:
    """KeyError: there is no such thing, or nothing was asked."""
    match request.WhichOneof("message_request"):
        case "list_services":
            for name in listed:
                answer.list_services_response.service.add(name=name)
        case "all_extension_numbers_of_type":
            numbers = _index().extension_numbers(request.all_extension_numbers_of_type)
            answer.all_extension_numbers_response.base_type_name = request.all_extension_numbers_of_type
            answer.all_extension_numbers_response.extension_number.extend(numbers)
        case _:
            files = [file.SerializeToString() for file in _files(request)]
            answer.file_descriptor_response.file_descriptor_proto.extend(files)


def _files(request: Request) -> list[FileDescriptorProto]:
    match request.WhichOneof("message_request"):
        case "file_by_filename":
            return _index().with_imports(request.file_by_filename)
        case "file_containing_symbol":
            return _index().of_symbol(request.file_containing_symbol)
        case "file_containing_extension":
            extension = request.file_containing_extension
            return _index().of_extension(extension.containing_type, extension.extension_number)
        case _:
            raise KeyError


def _subject(request: Request) -> str:
    kind = request.WhichOneof("message_request")
    return str(getattr(request, kind)).strip() if kind else "the request names nothing"


@cache
def _index() -> descriptors.Index:
    """What can be asked for. Only few processes are ever asked, so it is made at the first question."""
    return descriptors.Index([*descriptors.files(), *_other_files()])


def _other_files() -> Iterator[FileDescriptorProto]:
    """The files of health and reflection. Their packages ship no comments."""
    for file in (health_pb2.DESCRIPTOR, _ALPHA_FILE, _stable_service().file):
        yield FileDescriptorProto.FromString(file.serialized_pb)


@cache
def _stable_service() -> ServiceDescriptor:
    """The service grpc.reflection.v1, made from v1alpha."""
    file = FileDescriptorProto.FromString(_ALPHA_FILE.serialized_pb)
    file.name, file.package = "grpc/reflection/v1/reflection.proto", STABLE
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(_ALPHA_FILE.package, STABLE)
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(_ALPHA_FILE.package, STABLE)
        method.output_type = method.output_type.replace(_ALPHA_FILE.package, STABLE)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(f"{STABLE}.ServerReflection")
