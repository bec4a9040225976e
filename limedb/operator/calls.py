"""Calls to a node from outside a node, for the command line and the launcher.

It owns a short-lived channel; it blocks, and must never run in a node.

Tested in tests/operator/test_silence.py.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar, cast

import grpc

from limedb.core.condition import Condition
from limedb.core.quorum import Level
from limedb.core.receipt import Receipt
from limedb.errors import LimeDBError, RequestTimeoutError, UnavailableError
from limedb.operator.call_errors import error_of
from limedb.operator.connections import connection
from limedb.tls.diagnosis import why
from limedb.tls.target import Target, target_of
from limedb.wire.channels import options_for
from limedb.wire.conditions import no_conditions, require
from limedb.wire.expiry import expire_at
from limedb.wire.levels import consistency_of
from limedb.wire.status import item_error
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc, record_pb2

T = TypeVar("T")

REMEDY = "; is a node or Envoy running there? --target or LIMEDB_TARGET names another address"
"""Ends the error of a call where nothing answers."""
TLS_REMEDY = "; --ca, --cert and --key, or LIMEDB_CA and its like, name the files"
"""Ends the error where TLS failed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A value that was read, and the node that held it. version: of the value; 0: the node doesn't report it.
    expires_at_ms: when it expires, in milliseconds since 1970; 0: never.
    """

    value: str | bytes
    node_url: str
    version: int = 0
    expires_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as a node sees it. status: starting, active or draining. total_nodes: members of the
    topology, active_nodes: those that are up. is_settled: no change of the topology is under way.
    watch_wait_ms: milliseconds until watches can count on the node. problem: why the node takes no requests;
    empty: it does.
    """

    node_url: str
    total_nodes: int
    active_nodes: int
    status: str
    is_settled: bool = True
    watch_wait_ms: int = 0
    problem: str = ""


class Caller:
    """Calls a node, or Envoy, at a target. timeout: seconds for each call.

    Every call raises UnavailableError if nothing answers, RequestTimeoutError if it is too slow,
    UnsupportedError if there is no such call, and RemoteError if the node answers with an error.
    """

    def __init__(self, target: Target, channel: grpc.Channel, timeout: float) -> None:
        self._target, self._address = target, target.address
        self._channel, self._timeout = channel, timeout

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except grpc.RpcError as error:
            raise self._error_of(cast("grpc.Call", error)) from None  # the error of a call is the call itself

    def _stream(
        self, call: Callable[[], Iterable[T]], silence: float | None = None, first: float | None = None
    ) -> Iterator[T]:
        """Yield the messages of a stream; leaving the loop ends it. silence: raise RequestTimeoutError after
        so many seconds without a message; None: never. first: the same for the first message, if it differs.
        """
        stream, limit = call(), silence if first is None else first
        messages, ending = iter(stream), cast("grpc.Call", stream)
        try:
            while True:
                with _Alarm(limit, ending.cancel) as alarm:
                    message = next(messages, None)
                if message is None:
                    return
                yield message
                limit = silence
        except grpc.RpcError as error:
            if alarm.rang:
                raise RequestTimeoutError(limit or 0.0, self._address) from None
            raise self._error_of(cast("grpc.Call", error)) from None
        finally:
            ending.cancel()

    def _error_of(self, error: grpc.Call) -> LimeDBError:
        found = error_of(self._address, error, self._timeout, REMEDY)
        is_lost = isinstance(found, UnavailableError | RequestTimeoutError)
        if is_lost and (reason := why(self._target)):
            return UnavailableError(f"{self._address}: {reason}{TLS_REMEDY}")
        return found


class _Alarm:
    """Calls a function if the block takes longer than `seconds`, unless that is None."""

    def __init__(self, seconds: float | None, call: Callable[[], object]) -> None:
        self.rang, self._call = False, call
        self._timer = None if seconds is None else threading.Timer(seconds, self._ring)

    def __enter__(self) -> Self:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self.rang = True
        self._call()


class NodeClient(Caller):
    """Reads and writes keys. level: of consistency; None: the node's default."""

    def __init__(self, target: Target, channel: grpc.Channel, timeout: float) -> None:
        super().__init__(target, channel, timeout)
        self._kv = kv_pb2_grpc.KVServiceStub(channel)

    def get(self, key: str, level: Level | None = None) -> Found:
        """Read a key."""
        request = kv_pb2.GetRequest(key=key, consistency=consistency_of(level))
        response = self._call(lambda: self._kv.Get(request, timeout=self._timeout))
        blob = response.WhichOneof("content") == "blob"
        value = response.blob if blob else response.value
        return Found(value, response.node_url, response.version, response.expires_at_ms)

    def set(
        self,
        key: str,
        value: str | bytes,
        ttl_ms: int = 0,
        level: Level | None = None,
        expires_at_ms: int = 0,
        condition: Condition | None = None,
        keep_ttl: bool = False,
        lease: int = 0,
    ) -> Receipt:
        """Store a value. ttl_ms: milliseconds to live; expires_at_ms: instead of that, until then, in
        milliseconds since 1970; 0: forever. condition: the state that the key must have; None: any. keep_ttl:
        it expires when the previous value would have. lease: the id of one to which it is attached; 0: none.
        """
        request = kv_pb2.SetRequest(
            key=key, ttl_ms=ttl_ms, consistency=consistency_of(level), keep_ttl=keep_ttl, lease=lease
        )
        if condition is not None or keep_ttl or lease:
            self.check_conditions()
        if condition is not None:
            require(request, condition)
        if expires_at_ms:
            expire_at(request, expires_at_ms, int(time.time() * 1000))
        if isinstance(value, str):
            request.value = value
        else:
            request.blob = value
        return _receipt(self._call(lambda: self._kv.Set(request, timeout=self._timeout)).receipt)

    def delete(
        self, key: str, level: Level | None = None, condition: Condition | None = None
    ) -> tuple[int, Receipt]:
        """Delete a key; return how many values were deleted, 0 or 1, and the receipt. condition: the state
        that the key must have; None: any.
        """
        request = kv_pb2.DeleteRequest(key=key, consistency=consistency_of(level))
        if condition is not None:
            self.check_conditions()
            require(request, condition)
        answer = self._call(lambda: self._kv.Delete(request, timeout=self._timeout))
        return answer.deleted, _receipt(answer.receipt)

    def increment(
        self, key: str, by: int = 1, initial: int = 0, ttl_ms: int = 0, level: Level | None = None
    ) -> tuple[int, Receipt]:
        """Add to a counter; return the sum. initial: the number to add to where the key has no value; ttl_ms:
        milliseconds that the value then lives; 0: forever.
        """
        self.check_conditions()
        request = kv_pb2.IncrementRequest(
            key=key, by=by, initial=initial, ttl_ms=ttl_ms, consistency=consistency_of(level)
        )
        answer = self._call(lambda: self._kv.Increment(request, timeout=self._timeout))
        return answer.value, _receipt(answer.receipt)

    def append(
        self, key: str, value: str | bytes, ttl_ms: int = 0, level: Level | None = None
    ) -> tuple[int, Receipt]:
        """Add to the end of a value; return its size in bytes. ttl_ms: as in `increment`."""
        self.check_conditions()
        request = kv_pb2.AppendRequest(key=key, ttl_ms=ttl_ms, consistency=consistency_of(level))
        if isinstance(value, str):
            request.value = value
        else:
            request.blob = value
        answer = self._call(lambda: self._kv.Append(request, timeout=self._timeout))
        return answer.size, _receipt(answer.receipt)

    def get_and_set(
        self,
        key: str,
        value: str | bytes,
        ttl_ms: int = 0,
        level: Level | None = None,
        keep_ttl: bool = False,
    ) -> tuple[str | bytes | None, Receipt]:
        """Store a value; return the previous one, None where there was none. ttl_ms, keep_ttl: as in
        `set`.
        """
        self.check_conditions()
        request = kv_pb2.GetAndSetRequest(
            key=key, ttl_ms=ttl_ms, consistency=consistency_of(level), keep_ttl=keep_ttl
        )
        if isinstance(value, str):
            request.value = value
        else:
            request.blob = value
        return _previous(self._call(lambda: self._kv.GetAndSet(request, timeout=self._timeout)))

    def get_and_delete(self, key: str, level: Level | None = None) -> tuple[str | bytes | None, Receipt]:
        """Delete a key; return the value that it had, None where it had none."""
        self.check_conditions()
        request = kv_pb2.GetAndDeleteRequest(key=key, consistency=consistency_of(level))
        return _previous(self._call(lambda: self._kv.GetAndDelete(request, timeout=self._timeout)))

    def get_many(self, keys: Sequence[str], level: Level | None = None) -> list[Found | LimeDBError | None]:
        """Read up to 10000 keys; return for each its value, None if it has none, or why that is unknown."""
        request = kv_pb2.BatchGetRequest(keys=keys, consistency=consistency_of(level))
        answer = self._call(lambda: self._kv.BatchGet(request, timeout=self._timeout))
        return [self._found(result) for result in answer.results]

    def _found(self, result: kv_pb2.BatchGetResult) -> Found | LimeDBError | None:
        if result.HasField("error") or result.HasField("failure"):
            return item_error(self._address, result.error, result.failure)
        if not result.found:
            return None
        value = result.blob if result.WhichOneof("content") == "blob" else result.value
        return Found(value, "", result.version, result.expires_at_ms)

    def delete_versions(
        self, versions: Sequence[tuple[str, int]], level: Level | None = None
    ) -> list[LimeDBError | None]:
        """Delete up to 10000 keys, each if its value has this version; return for each None, or the error.
        The caller has called `check_conditions`.
        """
        request = kv_pb2.BatchSetRequest(consistency=consistency_of(level))
        for key, version in versions:
            request.writes.add(key=key, delete=True, condition=kv_pb2.Condition(version=version))
        answer = self._call(lambda: self._kv.BatchSet(request, timeout=self._timeout))
        return [
            item_error(self._address, result.error, result.failure) if result.HasField("error") else None
            for result in answer.results
        ]

    def check_conditions(self) -> None:
        """UnsupportedError: the answering node ignores conditions, so it would write in any case."""
        stub = cluster_pb2_grpc.ClusterServiceStub(self._channel)
        state = self._call(lambda: stub.GetState(cluster_pb2.GetStateRequest(), timeout=self._timeout))
        if not state.takes_conditions:
            raise no_conditions(state.node_url)

    def is_serving(self) -> bool:
        """Return whether the node takes requests, by grpc.health.v1."""
        from grpc_health.v1 import health_pb2  # the other calls start faster without it
        from grpc_health.v1.health import SERVICE_NAME

        check = self._channel.unary_unary(
            f"/{SERVICE_NAME}/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = self._call(lambda: check(health_pb2.HealthCheckRequest(), timeout=self._timeout))
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def state(self) -> ClusterState:
        """Return the cluster as the node sees it."""
        from limedb.core.topology import MemberState, Phase  # as above

        stub = cluster_pb2_grpc.ClusterServiceStub(self._channel)
        answer = self._call(lambda: stub.GetState(cluster_pb2.GetStateRequest(), timeout=self._timeout))
        settled = answer.phase == Phase.STEADY and all(
            member.standing == MemberState.NORMAL for member in answer.members
        )
        return ClusterState(
            answer.node_url,
            answer.total_nodes,
            answer.active_nodes,
            answer.status,
            settled,
            answer.watch_wait_ms,
            answer.problem,
        )


def _previous(
    answer: kv_pb2.GetAndSetResponse | kv_pb2.GetAndDeleteResponse,
) -> tuple[str | bytes | None, Receipt]:
    kind = answer.WhichOneof("previous")
    return None if kind is None else getattr(answer, kind), _receipt(answer.receipt)


def _receipt(receipt: record_pb2.Receipt) -> Receipt:
    return Receipt(receipt.version, receipt.epoch, receipt.acked, receipt.replicas)


@contextmanager
def node_client(target: Target | str, timeout: float = 5.0) -> Iterator[NodeClient]:
    """Open a client of the node or Envoy at target (host:port: without TLS) for the block."""
    to = target_of(target).first
    with connection(to, options_for(timeout)) as channel:
        yield NodeClient(to, channel, timeout)
