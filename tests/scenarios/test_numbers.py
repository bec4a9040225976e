"""The largest numbers that a request can hold, against a real node: each works, or is refused in one line."""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from limedbpb.v1 import admin_pb2, cluster_pb2, gossip_pb2, kv_pb2
from tests.support.served import SECONDS, Served, served

MOST = {FieldDescriptor.TYPE_UINT32: 2**32 - 1, FieldDescriptor.TYPE_UINT64: 2**64 - 1}


def methods() -> Iterator[MethodDescriptor]:
    for file in (kv_pb2, cluster_pb2, gossip_pb2, admin_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            yield from (method for method in service.methods if not method.client_streaming)


CASES = {
    f"{method.containing_service.name}/{method.name}.{field.name}": (method, field)
    for method in methods()
    for field in method.input_type.fields
    if field.type in MOST
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("numbers"), env={"STORE": "memory"}) as running:
        yield running


def request_of(method: MethodDescriptor, field: FieldDescriptor) -> Message:
    """A request that is right but for one number."""
    request = message_factory.GetMessageClass(method.input_type)()
    for name, value in {"key": "k", "value": "v", "url": "http://a:1"}.items():
        if name in method.input_type.fields_by_name:
            setattr(request, name, value)
    setattr(request, field.name, MOST[field.type])
    return request


def ask(node: Served, method: MethodDescriptor, request: Message) -> None:
    """Call a method; of a stream, take the first message."""
    answer = message_factory.GetMessageClass(method.output_type)
    path = f"/{method.containing_service.full_name}/{method.name}"
    if not method.server_streaming:
        call = node.channel.unary_unary(path, type(request).SerializeToString, answer.FromString)
        call(request, timeout=SECONDS)
        return
    stream = node.channel.unary_stream(path, type(request).SerializeToString, answer.FromString)
    answers = stream(request, timeout=SECONDS)
    try:
        next(answers, None)
    finally:
        answers.cancel()


def test_numbers_of_all_kinds_are_found() -> None:
    assert {"KVService/Set.ttl_ms", "KVService/Set.expires_at_ms", "KVService/Scan.limit"} <= CASES.keys()


def outcome(node: Served, method: MethodDescriptor, request: Message) -> tuple[str, str]:
    """The code's name and the error's text, empty for OK."""
    try:
        ask(node, method, request)
    except grpc.RpcError as error:
        return error.code().name, error.details() or ""
    return "OK", ""


@pytest.mark.cluster
@pytest.mark.parametrize("case", CASES)
def test_the_largest_number_works_or_is_refused_in_one_line(node: Served, case: str) -> None:
    method, field = CASES[case]
    code, text = outcome(node, method, request_of(method, field))
    assert code in ("OK", "INVALID_ARGUMENT"), text
    assert "\n" not in text
