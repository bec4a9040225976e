"""LimeDB from Python: batches through the generated stubs, single operations through limedb.client."""

from collections.abc import Mapping, Sequence

import grpc

from limedb.client import Client, connect
from limedbpb.v1 import kv_pb2, kv_pb2_grpc


def get_request(key: str) -> bytes:
    return kv_pb2.GetRequest(key=key).SerializeToString()


def set_request(key: str, value: str) -> bytes:
    return kv_pb2.SetRequest(key=key, value=value).SerializeToString()


class LimeDBBatches:
    """A batch is one BatchGet or BatchSet."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._stub = kv_pb2_grpc.KVServiceStub(channel)

    async def get(self, keys: Sequence[str]) -> Sequence[str | bytes | None]:
        answer = await self._stub.BatchGet(kv_pb2.BatchGetRequest(keys=keys))
        return [each.value if each.found else None for each in answer.results]

    async def set(self, values: Mapping[str, str]) -> None:
        writes = [kv_pb2.BatchWrite(key=key, value=value) for key, value in values.items()]
        answer = await self._stub.BatchSet(kv_pb2.BatchSetRequest(writes=writes))
        assert len(answer.results) == len(writes)
        assert not any(each.HasField("error") for each in answer.results)

    async def close(self) -> None:
        await self._channel.close()


async def open_batches(address: str, callers: int) -> LimeDBBatches:
    return LimeDBBatches(grpc.aio.insecure_channel(address))


class LimeDBLibrary:
    """Single operations of limedb.client, which joins those of one turn of the loop by itself."""

    def __init__(self, db: Client) -> None:
        self._db = db

    async def get(self, keys: Sequence[str]) -> Sequence[str | bytes | None]:
        return [await self._db.get(key) for key in keys]

    async def set(self, values: Mapping[str, str]) -> None:
        for key, value in values.items():
            await self._db.set(key, value)

    async def close(self) -> None:
        await self._db.close()


async def open_library(address: str, callers: int) -> LimeDBLibrary:
    return await _open(connect(address))


async def open_idempotent(address: str, callers: int) -> LimeDBLibrary:
    """Open a library whose nodes agree on each write, so that it can be retried."""
    return await _open(connect(address, idempotent=True))


async def _open(db: Client) -> LimeDBLibrary:
    await db.open()
    return LimeDBLibrary(db)
