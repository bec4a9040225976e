"""Messages in JSON, at a server: what Envoy makes of calls in the Connect protocol."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from limedb.errors import InvalidRequestError, MalformedRequestError, ResponseTooLargeError
from limedb.rpc.server.connect import ASIDE_BYTES, JSON, MOST_BYTES, JsonMessages
from limedb.rpc.server.server import Server
from limedbpb.v1 import kv_pb2
from tests.rpc.peers import new_memory
from tests.support.ports import free_port

SERVICE = kv_pb2.DESCRIPTOR.services_by_name["KVService"]
GET = JsonMessages(SERVICE.methods_by_name["Get"])


class Echo:
    """A KVService whose value is the key; and whose answers may be bytes already."""

    service = SERVICE

    async def Get(self, request: Any, context: Any) -> bytes:  # noqa: N802 (the name of the RPC)
        if request.key == "bad":
            raise InvalidRequestError("a bad key")
        return kv_pb2.GetResponse(value=request.key).SerializeToString()

    async def Scan(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 (the name of the RPC)
        for n in range(3):
            yield kv_pb2.ScanResponse(after=f"{request.prefix}{n}")

    async def Session(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 (likewise)
        async for request in requests:
            yield kv_pb2.SessionResponse(id=request.id)

    def __getattr__(self, _name: str) -> Any:
        return None


@asynccontextmanager
async def echoing(of_peers: bool = False) -> AsyncIterator[grpc.aio.Channel]:
    server = Server(new_memory())
    server.add(Echo(), of_peers=of_peers)
    with free_port() as port:
        await server.start([f"127.0.0.1:{port}"])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
        await server.stop(0.1)


SET, BATCH = (JsonMessages(SERVICE.methods_by_name[name]) for name in ("Set", "BatchSet"))


@pytest.mark.parametrize("blob", ["!!", "a", "aG\\u00e9k", "=k"])
async def test_bytes_that_are_no_base64_are_refused_not_emptied(blob: str) -> None:
    write = f'{{"key":"k","blob":"{blob}"}}'.encode()
    for messages, data in ((SET, write), (BATCH, b'{"writes":[{"key":"j","value":"v"},%s]}' % write)):
        with pytest.raises(MalformedRequestError, match=r"blob=.*: must be base64"):
            await messages.request(data)


@pytest.mark.parametrize("blob", ["aGk=", "aGk", "a-_b", "a+/b", "", "aG\\nk="])
async def test_base64_is_taken_in_both_alphabets(blob: str) -> None:
    data = await SET.request(f'{{"key":"k","blob":"{blob}"}}'.encode())
    assert bool(kv_pb2.SetRequest.FromString(data).blob) == bool(blob)


@pytest.mark.parametrize("size", [1, 2 * ASIDE_BYTES], ids=["small", "large"])
async def test_a_unary_call_in_json(size: int) -> None:
    request = json.dumps({"key": "ä" * size}).encode()
    async with echoing() as channel:
        answer = await channel.unary_unary("/limedb.v1.KVService/Get")(request, metadata=(JSON,), timeout=10)
    assert json.loads(answer) == {"value": "ä" * size}


async def test_streams_in_json() -> None:
    async with echoing() as channel:
        scan = channel.unary_stream("/limedb.v1.KVService/Scan")
        pages = [page async for page in scan(b'{"prefix":"p"}', metadata=(JSON,), timeout=10)]
        session = channel.stream_stream("/limedb.v1.KVService/Session")
        requests = iter([b'{"id":"1"}', b'{"id":2}'])
        answers = [answer async for answer in session(requests, metadata=(JSON,), timeout=10)]
    assert [json.loads(page) for page in pages] == [{"after": f"p{n}"} for n in range(3)]
    assert [json.loads(answer) for answer in answers] == [{"id": "1"}, {"id": "2"}]


async def test_without_the_header_messages_are_protobuf_whatever_they_begin_with() -> None:
    async with echoing() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/limedb.v1.KVService/Get")(b'{"key":"a"}', timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_services_of_peers_take_no_json() -> None:
    async with echoing(of_peers=True) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/limedb.v1.KVService/Get")(b"{}", metadata=(JSON,), timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("metadata", "url"),
    [((JSON,), "google.rpc.ErrorInfo"), (None, "type.googleapis.com/google.rpc.ErrorInfo")],
    ids=["connect", "grpc"],
)
async def test_details_are_named_as_the_protocol_has_it(metadata: Any, url: str) -> None:
    request = b'{"key":"bad"}' if metadata else kv_pb2.GetRequest(key="bad").SerializeToString()
    async with echoing() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/limedb.v1.KVService/Get")(request, metadata=metadata, timeout=10)
    trailers = dict(caught.value.trailing_metadata() or ())
    (detail,) = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details
    assert detail.type_url == url


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"7", b'{"kee":"a"}', b'{"key":7}', b'{"key":"\xff"}', b"[" * 100_000],
    ids=["empty", "cut", "list", "number", "unknown field", "other type", "not UTF-8", "deep"],
)
async def test_what_is_no_such_request_is_the_clients_error_in_one_line(data: bytes) -> None:
    with pytest.raises(MalformedRequestError, match=r"\A[^\n]+\Z"):
        await GET.request(data)


async def test_a_field_that_the_request_does_not_have_is_named() -> None:
    with pytest.raises(MalformedRequestError, match="unknown field kee in GetRequest; its fields are"):
        await GET.request(b'{"kee":"a"}')


async def test_requests_and_answers_in_json_have_a_limit() -> None:
    with pytest.raises(MalformedRequestError, match="at most 8388608, or send it as protobuf"):
        await GET.request(b" " * (MOST_BYTES + 1))
    with pytest.raises(ResponseTooLargeError):
        await GET.answer(b" " * (MOST_BYTES + 1))
