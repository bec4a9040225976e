"""grpc.reflection of a server, in both versions. Real clients are in tests/examples/test_tools.py.

Of limedb/rpc/server/reflection.py.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha.reflection_pb2 import (
    ExtensionRequest,
    ServerReflectionRequest,
    ServerReflectionResponse,
)

from limedb.rpc.server.front import HEADER
from limedb.rpc.server.server import Server
from limedbpb.v1 import topology_pb2
from tests.rpc.peers import new_memory
from tests.rpc.server.test_server import Watched
from tests.support.ports import free_port

VERSIONS = ["v1", "v1alpha"]
REFLECTION = [f"grpc.reflection.{version}.ServerReflection" for version in VERSIONS]


class OfPeers:
    """A service that Envoy doesn't route."""

    service = topology_pb2.DESCRIPTOR.services_by_name["TopologyService"]

    def __getattr__(self, _name: str) -> Any:
        return None


@asynccontextmanager
async def serving() -> AsyncIterator[grpc.aio.Channel]:
    server = Server(new_memory())
    server.add(Watched())
    server.add(OfPeers(), of_peers=True)
    with free_port() as port:
        await server.start([f"127.0.0.1:{port}"])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
        await server.stop(0.1)


async def ask(
    channel: grpc.aio.Channel, version: str, *requests: ServerReflectionRequest, front: bool = False
) -> list[ServerReflectionResponse]:
    """The answers to all questions, over one stream."""
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )(iter(requests), timeout=10, metadata=((HEADER, "1"),) if front else None)
    return [answer async for answer in call]


@pytest.mark.parametrize("version", VERSIONS)
async def test_all_services_are_listed_and_through_envoy_those_that_it_routes(version: str) -> None:
    question = ServerReflectionRequest(list_services="")
    async with serving() as channel:
        (every,) = await ask(channel, version, question)
        (public,) = await ask(channel, version, question, front=True)
    shared = ["grpc.health.v1.Health", *REFLECTION, "limedb.v1.ClusterService"]
    assert [s.name for s in every.list_services_response.service] == [*shared, "limedb.v1.TopologyService"]
    assert [s.name for s in public.list_services_response.service] == shared


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_method_is_described_with_its_comment(version: str) -> None:
    async with serving() as channel:
        (answer,) = await ask(
            channel, version, ServerReflectionRequest(file_containing_symbol="limedb.v1.KVService.Get")
        )
    files = [
        FileDescriptorProto.FromString(file) for file in answer.file_descriptor_response.file_descriptor_proto
    ]
    assert files[0].name == "limedbpb/v1/kv.proto"
    assert any(
        "Get reads the value" in place.leading_comments for place in files[0].source_code_info.location
    )
    known = {file.name for file in files}
    assert all(imported in known for file in files for imported in file.dependency)


async def test_each_kind_of_question_is_answered_in_order_on_one_stream() -> None:
    asked = [
        ServerReflectionRequest(host="a", file_by_filename="google/rpc/status.proto"),
        ServerReflectionRequest(
            file_containing_extension=ExtensionRequest(
                containing_type="google.protobuf.MethodOptions", extension_number=72295728
            )
        ),
        ServerReflectionRequest(all_extension_numbers_of_type="google.protobuf.MethodOptions"),
        ServerReflectionRequest(file_containing_symbol="grpc.health.v1.Health"),
        ServerReflectionRequest(file_containing_symbol="grpc.reflection.v1.ServerReflection"),
        ServerReflectionRequest(file_containing_symbol="grpc.reflection.v1alpha.ServerReflection"),
        ServerReflectionRequest(file_containing_symbol="google.rpc.ErrorInfo"),
    ]
    async with serving() as channel:
        answers = await ask(channel, "v1", *asked)
    assert [answer.original_request for answer in answers] == asked
    assert answers[0].valid_host == "a"
    assert list(answers[2].all_extension_numbers_response.extension_number) == [72295728]
    names = [
        FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0]).name
        for answer in answers
        if answer.HasField("file_descriptor_response")
    ]
    assert names == [
        "google/rpc/status.proto",
        "google/api/annotations.proto",
        "grpc_health/v1/health.proto",  # as in the wheel
        "grpc/reflection/v1/reflection.proto",
        "grpc_reflection/v1alpha/reflection.proto",
        "google/rpc/error_details.proto",
    ]


async def test_what_is_not_there_is_an_answer_and_the_stream_continues() -> None:
    unknown = [
        ServerReflectionRequest(file_containing_symbol="limedb.v1.Nothing"),
        ServerReflectionRequest(file_by_filename="nothing.proto"),
        ServerReflectionRequest(all_extension_numbers_of_type="limedb.v1.Nothing"),
        ServerReflectionRequest(),
    ]
    async with serving() as channel:
        *errors, last = await ask(channel, "v1", *unknown, ServerReflectionRequest(list_services=""))
    assert [error.error_response.error_code for error in errors] == [5] * 4
    assert [error.error_response.error_message for error in errors] == [
        "not found: limedb.v1.Nothing",
        "not found: nothing.proto",
        "not found: limedb.v1.Nothing",
        "not found: the request names nothing",
    ]
    assert last.list_services_response.service


async def test_bytes_that_are_no_question_are_refused_as_the_clients_error() -> None:
    async with serving() as channel:
        call = channel.stream_stream(f"/{REFLECTION[0]}/ServerReflectionInfo")(iter([b"\xff"]), timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
