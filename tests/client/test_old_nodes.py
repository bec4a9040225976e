"""A client beside nodes of 0.2.0 and older, which ignore the moment at which a value expires, and conditions.

Of limedb/wire/expiry.py and limedb/wire/conditions.py.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

import limedb
from limedb.client.batch_bytes import storing
from limedb.client.conditions import depending
from limedb.client.retrying_executor import PendingCall
from limedb.client.retrying_executor import new_key as new_write_key
from limedb.core.condition import Condition
from limedb.errors import UnsupportedError
from limedb.operator.calls import node_client
from limedb.wire.conditions import CuriousCondition
from limedbpb.v1 import cluster_pb2, kv_pb2, record_pb2
from tests.support.keys import new_key
from tests.support.ports import free_port

HOUR_MS, MINUTE_MS = 3_600_000, 60_000


class OldNode(grpc.GenericRpcHandler):
    """Passes all calls on to a node, without the fields that an old one doesn't know. ignored: how many
    moments; conditions: how many of these.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel, self.ignored, self.conditions = channel, 0, 0

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        """Each kind of call is a stream of bytes in both directions."""

        async def forward(
            requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]"
        ) -> AsyncGenerator[bytes, None]:
            call = self._channel.stream_stream(details.method)(
                self._stripped(details.method, requests), metadata=details.invocation_metadata
            )
            try:
                async for answer in call:
                    yield self._as_answered(details.method, answer)
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "")

        return grpc.stream_stream_rpc_method_handler(forward)

    async def _stripped(self, method: str, requests: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        async for data in requests:
            if method.endswith("/Session"):
                request = kv_pb2.SessionRequest.FromString(data)
                for write in (*request.batch_set.writes, *([request.set] if request.HasField("set") else [])):
                    self._strip(write)
                yield request.SerializeToString()
            elif method.endswith("/Set"):
                single = kv_pb2.SetRequest.FromString(data)
                self._strip(single)
                yield single.SerializeToString()
            else:
                yield data

    def _strip(self, write: kv_pb2.SetRequest | kv_pb2.BatchWrite) -> None:
        self.ignored += bool(write.expires_at_ms)
        self.conditions += write.HasField("condition")
        write.ClearField("expires_at_ms")
        write.ClearField("ttl_is_fallback")
        write.ClearField("condition")
        write.ClearField("keep_ttl")

    @staticmethod
    def _as_answered(method: str, answer: bytes) -> bytes:
        if not method.endswith("/GetState"):
            return answer
        state = cluster_pb2.GetStateResponse.FromString(answer)
        state.ClearField("takes_conditions")
        return state.SerializeToString()


@asynccontextmanager
async def old_node(node: str) -> "AsyncIterator[tuple[str, OldNode]]":
    """The address of a node that ignores the moment, for the time of the block."""
    async with grpc.aio.insecure_channel(node) as channel:
        server, old = grpc.aio.server(), OldNode(channel)
        server.add_generic_rpc_handlers((old,))
        with free_port() as port:
            server.add_insecure_port(f"127.0.0.1:{port}")
            await server.start()
            try:
                yield f"127.0.0.1:{port}", old
            finally:
                await server.stop(0)


@pytest.mark.parametrize("many", [False, True], ids=["set", "set_many"])
async def test_a_value_expires_although_its_node_ignores_the_moment(node: str, many: bool) -> None:
    key = new_key()
    moment = time.time() + 3600
    async with old_node(node) as (address, old), limedb.connect(address, follow_ring=False) as db:
        if many:
            await db.set_many({key: "v"}, expires_at={key: moment})
        else:
            await db.set(key, "v", expires_at=moment)
        (entry,) = [entry async for entry in db.scan(key)]
    assert old.ignored == 1
    late = entry.expires_at_ms - round(moment * 1000)
    assert -1000 <= late < MINUTE_MS


async def test_a_new_node_keeps_the_moment_itself(node: str) -> None:
    key, moment = new_key(), round(time.time() * 1000) + HOUR_MS
    async with limedb.connect(node) as db:
        await db.set(key, "v", expires_at=moment / 1000)
        (entry,) = [entry async for entry in db.scan(key)]
    assert entry.expires_at_ms == moment


async def test_the_command_line_gives_old_nodes_a_time_to_live_too(node: str) -> None:
    key, moment = new_key(), round(time.time() * 1000) + HOUR_MS

    def store(address: str) -> None:
        with node_client(address, 20) as cli:
            cli.set(key, "v", expires_at_ms=moment)

    async with old_node(node) as (address, old), limedb.connect(node) as db:
        await asyncio.to_thread(store, address)
        (entry,) = [entry async for entry in db.scan(key)]
    assert old.ignored == 1
    assert -1000 <= entry.expires_at_ms - moment < MINUTE_MS


async def test_a_node_that_ignores_conditions_gets_none(node: str) -> None:
    """It would carry the write out in any case."""
    key = new_key()

    def refused(address: str) -> None:
        with node_client(address, 20) as cli:
            with pytest.raises(UnsupportedError, match="Upgrade all nodes first"):
                cli.set(key, "theirs", condition=Condition(exists=False))
            with pytest.raises(UnsupportedError, match="Upgrade all nodes first"):
                cli.delete(key, condition=Condition(version=1))

    async with old_node(node) as (address, old), limedb.connect(address, follow_ring=False) as db:
        await db.set(key, "mine")
        for write in (
            db.set(key, "theirs", if_absent=True),
            db.set(key, "theirs", keep_ttl=True),
            db.delete(key, if_version=1),
            db.cas(key, lambda _old: "theirs"),
        ):
            with pytest.raises(UnsupportedError, match=r"nothing was written\. Upgrade all nodes first"):
                await write
        write = depending(key, storing(key, "theirs", 0), CuriousCondition(exists=False))
        again = PendingCall(key, write, new_write_key(), version=0)  # a second try, of a write that was lost
        executor = db._opened()
        await executor.carry([again], record_pb2.CONSISTENCY_QUORUM, executor.time() + 20)
        assert isinstance(again.outcome, UnsupportedError)
        await asyncio.to_thread(refused, address)
        assert await db.get(key) == "mine"
    assert old.conditions == 0
