"""KVService: check, call, convert.

Tested in tests/scenarios/test_rest.py and tests/scenarios/test_grpc.py.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, Protocol, cast

from limedb.core.quorum import Level
from limedb.core.transactions import Judged
from limedb.errors import ConditionFailedError, LimeDBError, ResponseTooLargeError, is_too_large
from limedb.replication.coordinator import Found, Write, Written
from limedb.replication.groups.transaction import Transaction
from limedb.replication.read.local_reads import LocalReads
from limedb.replication.replica import LocalReplica
from limedb.replication.requests import Outcome
from limedb.rpc.server import answers
from limedb.rpc.server.asked_cluster import AskedCluster
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.gate import Gate
from limedb.rpc.server.key_streams import KeyStreams
from limedb.rpc.server.limits import Rates
from limedb.rpc.server.memory import HEAVY_READS, Memory
from limedb.rpc.server.outcomes import as_shown, batch_as_shown
from limedb.rpc.server.session import Method, SessionHandler
from limedb.wire import kv as convert
from limedb.wire.batch_set import BatchSet, batch_write_of, plain_writes
from limedb.wire.transactions import transaction_from, txn_response
from limedbpb.v1 import kv_pb2, kv_pb2_grpc

HEAVY_BYTES = 1 << 20
"""The expected bytes of values above which a batch is heavy."""
FADING = 0.95
"""The factor by which the expected size of a value shrinks with each batch of smaller ones."""


class OperationCounter(Protocol):
    """Counts keys read and written."""

    def count_operations(self, kind: Literal["get", "set", "delete"], n: int) -> None:
        """Count n more keys."""

    def record(self, method: str, code: str, seconds: float) -> None:
        """Count a request of a session: its method, its code's name, its duration."""


class Coordinator(Protocol):
    """Carries requests to the replicas of their keys. level None: the node's default. most: as in
    `replication/coordinator.py`, which also documents the errors.
    """

    async def get_large(
        self, key: str, level: Level | None, deadline: float, most: int | None = None
    ) -> Found | bytes:
        """What was found of a key, or its stored bytes; empty: nothing is stored."""

    async def get_stored(self, key: str, level: Level | None, deadline: float) -> bytes | None:
        """The stored bytes of a key, if they are confirmed at once; empty: nothing is stored; None: use
        `get_large`.
        """

    async def get_many(
        self, keys: Sequence[str], level: Level | None, deadline: float, most: int | None = None
    ) -> list[Outcome]:
        """The outcome for each key, in the same order."""

    async def write(self, write: Write, level: Level | None, deadline: float) -> Written:
        """Store or delete."""

    async def write_many(
        self, writes: Sequence[Write], level: Level | None, deadline: float
    ) -> Sequence[Written | LimeDBError]:
        """The outcome of each write, in the same order."""

    def ends_groups(self, keys: Sequence[str], level: Level | None) -> bool:
        """Whether a read of keys must first store the rest of changes of their groups."""

    async def transact(self, wanted: Transaction, deadline: float) -> tuple[Judged, Written | None]:
        """The answer to a transaction, and its receipt; None: it stored nothing."""

    async def write_direct(self, node_url: str, write: Write, deadline: float) -> Written:
        """Store at the named node, even if other nodes own the key."""


class KVServicer(kv_pb2_grpc.KVServiceServicer):
    """Serves keys: those of the cluster through the coordinator, except for local reads of keys that this
    node alone owns; the node's own list from its replica.

    max_response_size: the most bytes of an answer with several keys. streams: serve scans and watches.
    memory: counts reads from replicas, before their size is known. cluster: refuses calls that are meant for
    another one. leases: serve these by the names of a session's operations. gate: judges the requests of
    sessions; None: everybody may do everything. rates: count these requests; None: any number may come.
    """

    service = kv_pb2.DESCRIPTOR.services_by_name["KVService"]

    def __init__(
        self,
        node_url: str,
        coordinator: Coordinator,
        own: LocalReplica,
        local_reads: LocalReads,
        checks: Checks,
        deadlines: Deadlines,
        counter: OperationCounter,
        max_response_size: int,
        streams: KeyStreams,
        memory: Memory,
        cluster: AskedCluster,
        gate: Gate | None = None,
        rates: Rates | None = None,
        leases: Mapping[str, Method] = MappingProxyType({}),
    ) -> None:
        self._leases = leases
        self._gate, self._rates = gate, rates
        self._cluster = cluster
        self._streams, self._memory = streams, memory
        self._value_size = 0.0  # per key, in recent batches
        self._largest = 2 * checks.max_value_size  # of two replicas
        self._node_url, self._coordinator, self._own = node_url, coordinator, own
        self._local_reads = local_reads
        self._checks, self._deadlines, self._count = checks, deadlines, counter.count_operations
        self._record = counter.record
        self._max_response_size = max_response_size

    async def Get(self, request: kv_pb2.GetRequest, context: Context) -> bytes:  # type: ignore[override]
        self._count("get", 1)
        level = self._checks.consistency(request.consistency)
        key = self._checks.key(request.key)
        is_local = not self._coordinator.ends_groups((key,), level)
        if is_local and (data := self._local_reads.get(key)) is not None:
            return answers.get_answer(key, data, self._local_reads.now_ms, self._node_url)
        deadline = self._deadlines.of(context)
        if (data := await self._coordinator.get_stored(key, level, deadline)) is not None:
            return answers.get_answer(key, data, self._local_reads.now_ms, self._node_url)

        async def read(most: int | None) -> bytes:
            if most is not None:  # the node's own copy shows at once whether to ask others
                self._own.check_size((key,), most)
            found = await self._coordinator.get_large(key, level, deadline, most)
            if isinstance(found, bytes):
                return answers.get_answer(key, found, self._local_reads.now_ms, self._node_url)
            return answers.found_answer(key, found)

        return await self._memory.reading(context, self._largest, read)

    async def Set(self, request: kv_pb2.SetRequest, context: Context) -> bytes:  # type: ignore[override]
        self._count("set", 1)
        level = self._checks.consistency(request.consistency)
        write = self._checks.write(convert.write_from(request, self._checks.content(request)))
        return answers.set_answer(await self._written(write, level, context))

    async def Delete(self, request: kv_pb2.DeleteRequest, context: Context) -> kv_pb2.DeleteResponse:
        self._count("delete", 1)
        level = self._checks.consistency(request.consistency)
        write = self._checks.write(convert.delete_from(request))
        written = await self._written(write, level, context)
        return kv_pb2.DeleteResponse(deleted=int(written.existed), receipt=convert.receipt(written))

    async def Increment(self, request: kv_pb2.IncrementRequest, context: Context) -> kv_pb2.IncrementResponse:
        return convert.increment_response(
            await self._edited(convert.increment_from(request), request, context)
        )

    async def Append(self, request: kv_pb2.AppendRequest, context: Context) -> kv_pb2.AppendResponse:
        kind = self._checks.content(request)
        write = convert.append_from(request, kind, self._checks.max_value_size)
        return convert.append_response(await self._edited(write, request, context))

    async def GetAndSet(self, request: kv_pb2.GetAndSetRequest, context: Context) -> kv_pb2.GetAndSetResponse:
        kind = self._checks.content(request)
        write = convert.get_and_set_from(request, kind, self._checks.max_value_size)
        return convert.get_and_set_response(await self._edited(write, request, context))

    async def GetAndDelete(
        self, request: kv_pb2.GetAndDeleteRequest, context: Context
    ) -> kv_pb2.GetAndDeleteResponse:
        write = convert.get_and_delete_from(request)
        return convert.get_and_delete_response(await self._edited(write, request, context, "delete"))

    async def Txn(self, request: kv_pb2.TxnRequest, context: Context) -> kv_pb2.TxnResponse:
        wanted = self._checks.transaction(transaction_from(request))
        self._count("set", len(wanted.keys))
        answer = await self._coordinator.transact(wanted, self._deadlines.of(context))
        return txn_response(*answer)

    async def _edited(
        self,
        write: Write,
        request: convert.EditMessage,
        context: Context,
        kind: Literal["set", "delete"] = "set",
    ) -> Written:
        self._count(kind, 1)
        level = self._checks.consistency(request.consistency)
        return await self._written(self._checks.write(write), level, context)

    async def _written(self, write: Write, level: Level | None, context: Context) -> Written:
        try:
            return await self._coordinator.write(write, level, self._deadlines.of(context))
        except ConditionFailedError as error:
            raise as_shown(error, write.condition) from None

    async def SetDirect(self, request: kv_pb2.SetDirectRequest, context: Context) -> kv_pb2.SetDirectResponse:
        self._count("set", 1)
        write = self._checks.write(convert.write_from(request, self._checks.content(request)))
        written = await self._coordinator.write_direct(self._node_url, write, self._deadlines.of(context))
        return kv_pb2.SetDirectResponse(receipt=convert.receipt(written))

    async def ListKeys(self, request: kv_pb2.ListKeysRequest, context: Context) -> kv_pb2.ListKeysResponse:
        page = self._checks.page(request)
        return convert.list_keys_response(await self._own.list_keys(page.number, page.size, page.after))

    async def BatchGet(self, request: kv_pb2.BatchGetRequest, context: Context) -> bytes:  # type: ignore[override]
        level = self._checks.consistency(request.consistency)
        self._checks.batch("keys", len(request.keys))
        with self._checks.each("keys", request.keys, self._checks.key):
            keys = [self._checks.key(key) for key in request.keys]
        self._count("get", len(keys))
        is_local = not self._coordinator.ends_groups(keys, level)
        if is_local and (found := self._local_reads.get_many(keys)) is not None:
            return answers.batch_get_answer(keys, found, self._local_reads.now_ms)

        async def read(most: int | None) -> bytes:
            if most is not None:
                self._own.check_size(keys, most)
            outcomes = await self._coordinator.get_many(keys, level, self._deadlines.of(context), most)
            _refuse_too_large(outcomes)
            return answers.batch_get_answer(keys, outcomes, self._local_reads.now_ms)

        answer = await self._memory.reading(context, self._gathered(len(keys)), read)
        self._value_size = max(len(answer) // len(keys), self._value_size * FADING)
        if len(keys) > 1 and len(answer) > self._max_response_size:
            raise ResponseTooLargeError(len(answer), self._max_response_size, "ask for fewer keys at once")
        return answer

    def _gathered(self, keys: int) -> int:
        """The most bytes that replicas may return for this many keys; more if batches are known to be
        large.
        """
        most = min(keys * self._largest, 2 * self._max_response_size)
        return HEAVY_READS * most if keys * self._value_size > HEAVY_BYTES else most

    async def BatchSet(self, request: BatchSet, context: Context) -> bytes:  # type: ignore[override]
        level = self._checks.consistency(request.consistency)
        self._checks.batch("writes", len(request.writes))
        writes = self._writes_of(request.writes)
        outcomes = await self._coordinator.write_many(writes, level, self._deadlines.of(context))
        return answers.batch_set_answer(batch_as_shown(writes, outcomes))

    def _writes_of(self, items: Sequence[bytes]) -> Sequence[Write]:
        """The writes of a batch, within the limits: as bytes, where that suffices."""
        if (plain := plain_writes(items, self._checks.max_value_size)) is not None:
            self._count("set", len(plain))
            return plain
        with self._checks.each("writes", items, self._write_of):
            writes = [self._write_of(item) for item in items]
        deletes = sum(write.value is None for write in writes)
        self._count("set", len(writes) - deletes)
        self._count("delete", deletes)
        return writes

    def _write_of(self, data: bytes) -> Write:
        item = batch_write_of(data)
        return self._checks.write(convert.batch_write_from(item, self._checks.content(item)))

    def Scan(
        self, request: kv_pb2.ScanRequest, context: Context
    ) -> AsyncGenerator[kv_pb2.ScanResponse, None]:
        return self._streams.scan(request, context)

    def Watch(
        self, request: kv_pb2.WatchRequest, context: Context
    ) -> AsyncGenerator[Any, None]:  # of bytes: they are encoded already
        return self._streams.watch(request, context)

    def Session(
        self, request: AsyncIterator[kv_pb2.SessionRequest], context: Context
    ) -> AsyncIterator[kv_pb2.SessionResponse]:
        methods: dict[str, Method] = {
            "batch_get": self.BatchGet,
            "batch_set": self.BatchSet,
            "get": self.Get,
            "set": self.Set,
            "delete": self.Delete,
            "increment": self.Increment,
            "append": self.Append,
            "get_and_set": self.GetAndSet,
            "get_and_delete": self.GetAndDelete,
            "txn": self.Txn,
            **self._leases,
        }
        if self._gate is not None:
            methods = self._gate.session(context, methods)
        if self._rates is not None:
            methods = self._rates.session(context, methods)
        check = partial(self._cluster.check, context)
        answers = SessionHandler(methods, context, self._record, self._memory, check=check).run(request)
        return cast("AsyncIterator[kv_pb2.SessionResponse]", answers)  # some are bytes


def _refuse_too_large(outcomes: Sequence[Outcome]) -> None:
    """A part that is too large at one owner makes the whole batch too large: the remedy is the same."""
    for outcome in outcomes:
        if isinstance(outcome, LimeDBError) and is_too_large(outcome):
            raise outcome
