"""What callers of the coordination benchmark do, one way for each system: to compare and set a key of their
own, to set one and to increase a counter that all share.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from bench.clients.etcd_api import _messages, _services
from limedbpb.v1 import kv_pb2, kv_pb2_grpc

CAS, SET, COUNT, TXN = "compare-and-set", "linearizable set", "one counter", "transaction of two keys"
VALUE = "x" * 100
Act = Callable[[int], Awaitable[None]]
"""Does it once, for the caller of a number."""


def of_limedb(channel: grpc.aio.Channel) -> Mapping[str, Act]:
    """Those of LimeDB, over gRPC."""
    stub, versions = kv_pb2_grpc.KVServiceStub(channel), dict[int, int]()

    async def cas(caller: int) -> None:
        request = kv_pb2.SetRequest(key=f"cas{caller}", value=VALUE)
        request.condition.version = versions.get(caller, 0)
        versions[caller] = (await stub.Set(request)).receipt.version

    async def set_(caller: int) -> None:
        request = kv_pb2.SetRequest(key=f"set{caller}", value=VALUE, consistency="CONSISTENCY_LINEARIZABLE")
        await stub.Set(request)

    async def count(_caller: int) -> None:
        await stub.Increment(kv_pb2.IncrementRequest(key="counter"))

    async def txn(caller: int) -> None:
        steps = [kv_pb2.TxnStep(set=kv_pb2.TxnSet(key=f"{{{caller}}}{n}", value=VALUE)) for n in range(2)]
        exists = kv_pb2.TxnCompare(key=f"{{{caller}}}0", condition=kv_pb2.Condition(value=VALUE))
        await stub.Txn(kv_pb2.TxnRequest(compare=[exists], success=steps, failure=steps))

    return {CAS: cas, SET: set_, COUNT: count, TXN: txn}


def of_etcd(channel: grpc.aio.Channel) -> Mapping[str, Act]:
    """Those of etcd: a Txn that compares the revision. It has no increment: a caller reads, and compares and
    sets until nobody else was faster.
    """
    stub: Any = _services.KVStub(channel)
    revisions = dict[int, int]()

    async def cas(caller: int) -> None:
        key = b"cas%d" % caller
        request = _messages.TxnRequest(
            compare=[_equal(key, revisions.get(caller, 0))], success=[_put(key, VALUE.encode())]
        )
        answer = await stub.Txn(request)
        assert answer.succeeded
        revisions[caller] = answer.header.revision

    async def set_(caller: int) -> None:
        await stub.Put(_messages.PutRequest(key=b"set%d" % caller, value=VALUE.encode()))

    async def count(_caller: int) -> None:
        while not await _count_up(stub):
            pass

    async def txn(caller: int) -> None:
        puts = [_put(b"{%d}%d" % (caller, n), VALUE.encode()) for n in range(2)]
        assert (await stub.Txn(_messages.TxnRequest(success=puts))).succeeded

    return {CAS: cas, SET: set_, COUNT: count, TXN: txn}


def _put(key: bytes, value: bytes) -> Any:  # noqa: ANN401 (made at the import)
    return _messages.RequestOp(request_put=_messages.PutRequest(key=key, value=value))


def _equal(key: bytes, revision: int) -> Any:  # noqa: ANN401 (as above)
    return _messages.Compare(target=2, key=key, mod_revision=revision)


async def _count_up(stub: Any) -> bool:  # noqa: ANN401 (as above)
    """Read the counter and write the next number; False: somebody else was faster."""
    found = (await stub.Range(_messages.RangeRequest(key=b"counter"))).kvs
    value, revision = (int(found[0].value), found[0].mod_revision) if found else (0, 0)
    new = _put(b"counter", b"%d" % (value + 1))
    request = _messages.TxnRequest(compare=[_equal(b"counter", revision)], success=[new])
    return bool((await stub.Txn(request)).succeeded)


def of_redis(client: Any) -> Mapping[str, Act]:  # noqa: ANN401 (it may not be installed)
    """Those of Redis: INCR, SET, and MULTI. It has no compare-and-set but by a script."""

    async def set_(caller: int) -> None:
        await client.set(f"set{caller}", VALUE)

    async def count(_caller: int) -> None:
        await client.incr("counter")

    async def txn(caller: int) -> None:
        async with client.pipeline(transaction=True) as pipeline:
            pipeline.set(f"{{{caller}}}0", VALUE)
            pipeline.set(f"{{{caller}}}1", VALUE)
            await pipeline.execute()

    return {SET: set_, COUNT: count, TXN: txn}
