"""Batches: the calls that travel in one request, and the callers that wait for their outcomes.

It owns which calls share a request, and to whom an outcome belongs. It must never know how a batch travels.

Tested in tests/client/test_patience.py and tests/client/test_client.py.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from typing_extensions import override

from limedb.client.batch_bytes import write_request, write_results, writes_of
from limedb.client.outcomes import MISSING, Entry, NoAnswer, Outcome
from limedb.core.record import value_size
from limedb.errors import InvalidRequestError, LimeDBError, RemoteError, ResponseTooLargeError
from limedb.wire.status import item_error
from limedbpb.v1 import kv_pb2, record_pb2

MAX_ITEMS = 1000
"""Items of a batch: more than a few hundred gain nothing, and a node answers a batch as a whole."""
MAX_BYTES = 1 << 20
"""A batch of this size takes no further item: answers have a limit too."""
MARGIN_SECONDS = 0.05
"""A node gives up at most this much before its client, so that it can report the reason."""


class Gathering:
    """Outcomes by key, which arrive in parts. whole: done when all have arrived."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.whole: asyncio.Future[None] = loop.create_future()
        self._count = count

    def put(self, keys: Sequence[str], outcomes: Sequence[Outcome]) -> None:
        """Add some outcomes."""
        self.outcomes.update(zip(keys, outcomes, strict=True))
        if len(self.outcomes) == self._count and not self.whole.done():
            self.whole.set_result(None)


class Batch(ABC):
    """Items of one kind with one level and one timeout (seconds). Either each has a future of its own, or one
    gathering collects the outcomes of all. size: roughly its bytes.
    """

    __slots__ = ("futures", "gathering", "keys", "level", "size", "timeout")

    def __init__(
        self, level: record_pb2.Consistency, timeout: float, gathering: Gathering | None = None
    ) -> None:
        self.level, self.timeout, self.gathering = level, timeout, gathering
        self.keys: list[str] = []
        self.futures: list[asyncio.Future[Outcome]] = []
        self.size = 0

    @property
    def is_full(self) -> bool:
        """Whether it takes no further item."""
        return len(self.keys) >= MAX_ITEMS or self.size >= MAX_BYTES

    @property
    @abstractmethod
    def may_repeat(self) -> bool:
        """Whether sending it again does no harm, even if the node has carried it out."""

    def resolve(self, outcomes: Sequence[Outcome]) -> None:
        """Give each item its outcome."""
        if self.gathering is not None:
            self.gathering.put(self.keys, outcomes)
            return
        for future, outcome in zip(self.futures, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    def resolve_all(self, outcome: LimeDBError | NoAnswer) -> None:
        """Give all items the same outcome."""
        self.resolve([outcome] * len(self.keys))

    @abstractmethod
    def request(self, number: int) -> bytes:
        """The SessionRequest of this number."""

    @abstractmethod
    def outcomes(self, address: str, response: kv_pb2.SessionResponse) -> Sequence[Outcome]:
        """Return the outcome of each item, from the answer. LimeDBError: the node refused it as a whole.
        DecodeError: an item of the answer is no result.
        """

    @abstractmethod
    def halves(self) -> "tuple[Batch, Batch]":
        """Split it into two batches."""

    def take(self, address: str, response: kv_pb2.SessionResponse) -> "tuple[Batch, ...]":
        """Pass on the outcomes in the answer. Return the batches to send instead, if the node refused this
        one because of one of its items or because of its size. DecodeError, with nothing passed on: an item
        of the answer is no result.
        """
        try:
            outcomes = self.outcomes(address, response)
        except (InvalidRequestError, ResponseTooLargeError) as error:
            if len(self.keys) > 1:
                return self.halves()
            self.resolve_all(error)
        except LimeDBError as error:
            self.resolve_all(error)
        else:
            self.resolve(outcomes)
        return ()

    def _milliseconds(self) -> int:
        return max(1, round((self.timeout - min(MARGIN_SECONDS, self.timeout / 10)) * 1000))


class Reads(Batch):
    """Keys to read."""

    __slots__ = ()

    @property
    @override
    def may_repeat(self) -> bool:
        return True

    def add(self, key: str, future: "asyncio.Future[Outcome]") -> None:
        """Add a key with a future of its own."""
        self.keys.append(key)
        self.futures.append(future)

    @override
    def request(self, number: int) -> bytes:
        reads = kv_pb2.BatchGetRequest(keys=self.keys, consistency=self.level)
        request = kv_pb2.SessionRequest(id=number, timeout_ms=self._milliseconds(), batch_get=reads)
        return request.SerializeToString()

    @override
    def outcomes(self, address: str, response: kv_pb2.SessionResponse) -> Sequence[Outcome]:
        results = response.batch_get.results
        if len(results) != len(self.keys):
            raise refusal(address, response)
        return [_read(address, result) for result in results]

    @override
    def halves(self) -> "tuple[Batch, Batch]":
        middle, parts = len(self.keys) // 2, []
        for cut in (slice(None, middle), slice(middle, None)):
            part = type(self)(self.level, self.timeout, self.gathering)
            part.keys, part.futures = self.keys[cut], self.futures[cut]
            parts.append(part)
        return parts[0], parts[1]


class EntryReads(Reads):
    """Keys to read with their versions."""

    __slots__ = ()

    @override
    def outcomes(self, address: str, response: kv_pb2.SessionResponse) -> Sequence[Outcome]:
        values = super().outcomes(address, response)
        results = response.batch_get.results
        return [
            Entry(key, value, value_size(value), result.version, result.expires_at_ms)
            if isinstance(value, str | bytes)
            else value
            for key, value, result in zip(self.keys, values, results, strict=True)
        ]


class Writes(Batch):
    """Keys to store or delete, each once. items: each the bytes of a BatchWrite. may_repeat: whether each has
    an idempotency key. depends: on what its key has; then it is a batch of one.
    """

    __slots__ = ("_may_repeat", "depends", "items", "known")

    def __init__(
        self, level: record_pb2.Consistency, timeout: float, gathering: Gathering | None = None
    ) -> None:
        super().__init__(level, timeout, gathering)
        self.items: list[bytes] = []
        self.known: set[str] = set()
        self._may_repeat, self.depends = True, False

    @property
    @override
    def may_repeat(self) -> bool:
        return self._may_repeat

    def add(
        self, key: str, item: bytes, may_repeat: bool, future: "asyncio.Future[Outcome] | None" = None
    ) -> None:
        """Add a write, with a future of its own unless there is a gathering."""
        self.keys.append(key)
        self.known.add(key)
        self.items.append(item)
        if future is not None:
            self.futures.append(future)
        self.size += len(item)
        if not may_repeat:
            self._may_repeat = False

    @override
    def request(self, number: int) -> bytes:
        return write_request(number, self._milliseconds(), self.items, self.level)

    @override
    def outcomes(self, address: str, response: kv_pb2.SessionResponse) -> Sequence[Outcome]:
        results = write_results(response)
        if len(results) != len(self.keys):
            raise refusal(address, response)
        return writes_of(address, results)

    @override
    def halves(self) -> "tuple[Batch, Batch]":
        middle, parts = len(self.keys) // 2, []
        for cut in (slice(None, middle), slice(middle, None)):
            part = Writes(self.level, self.timeout, self.gathering)
            part.keys, part.futures, part.items = self.keys[cut], self.futures[cut], self.items[cut]
            part.known, part._may_repeat = set(part.keys), self._may_repeat
            parts.append(part)
        return parts[0], parts[1]


def _read(address: str, result: kv_pb2.BatchGetResult) -> Outcome:
    if result.found:
        value = result.value
        return result.blob if not value and result.HasField("blob") else value
    if result.HasField("error"):
        return item_error(address, result.error, result.failure)
    return MISSING


def refusal(address: str, response: kv_pb2.SessionResponse) -> LimeDBError:
    """Return the error in an answer that has no outcome of its request's kind."""
    if response.HasField("error"):
        return item_error(address, response.error, response.failure)
    return RemoteError(address, "MALFORMED_ANSWER", "INTERNAL", "the answer does not match the request")
