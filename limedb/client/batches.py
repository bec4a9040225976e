"""Batches: what is sent together, and whom its outcomes are for.

It owns the making of requests and the reading of answers; messages go no further than here. It must never
know how a batch travels.
"""

import asyncio
from collections.abc import Sequence

from limedb.client.outcomes import MISSING, NoAnswer, Outcome, Receipt, Stored
from limedb.errors import InvalidRequestError, LimeDBError, RemoteError, ResponseTooLargeError
from limedb.wire.status import item_error
from limedbpb.v1 import kv_pb2, record_pb2

MAX_ITEMS = 1000
"""Items of a batch: beyond some hundreds nothing is won, and a batch is answered as a whole."""
MAX_BYTES = 1 << 20
"""Bytes of a batch from which on no item is added: answers have a limit too."""
MARGIN = 0.05
"""Seconds, at most, by which a node gives up before its client does, so that it can say why."""


class Gathering:
    """Outcomes by key, which come in parts. whole: done when all have come."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.whole: asyncio.Future[None] = loop.create_future()
        self._count = count

    def put(self, keys: Sequence[str], outcomes: Sequence[Outcome]) -> None:
        """Take some."""
        self.outcomes.update(zip(keys, outcomes, strict=True))
        if len(self.outcomes) == self._count and not self.whole.done():
            self.whole.set_result(None)


class Batch:
    """Items of one kind with one level and one timeout (seconds), each with a future of its own, or all for
    one gathering. size: bytes, about.
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
        """Whether nothing is to be added."""
        return len(self.keys) >= MAX_ITEMS or self.size >= MAX_BYTES

    @property
    def may_repeat(self) -> bool:
        """Whether it does no harm to send it again, though it may have been carried out."""
        raise NotImplementedError

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Give each item its outcome."""
        if self.gathering is not None:
            self.gathering.put(self.keys, outcomes)
            return
        for future, outcome in zip(self.futures, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    def tell_all(self, outcome: LimeDBError | NoAnswer) -> None:
        """Give all items the same outcome."""
        self.tell([outcome] * len(self.keys))

    def request(self, number: int) -> bytes:
        """The SessionRequest of this number."""
        raise NotImplementedError

    def outcomes(self, address: str, response: kv_pb2.SessionResponse) -> Sequence[Outcome]:
        """What the answer to it says of each item. LimeDBError: it was refused as a whole."""
        raise NotImplementedError

    def halves(self) -> "tuple[Batch, Batch]":
        """It in two parts."""
        raise NotImplementedError

    def take(self, address: str, response: kv_pb2.SessionResponse) -> "tuple[Batch, ...]":
        """Tell what the answer says; batches to send instead where it was refused for one of its items, or
        for its size.
        """
        try:
            outcomes = self.outcomes(address, response)
        except (InvalidRequestError, ResponseTooLargeError) as error:
            if len(self.keys) > 1:
                return self.halves()
            self.tell_all(error)
        except LimeDBError as error:
            self.tell_all(error)
        else:
            self.tell(outcomes)
        return ()

    def _milliseconds(self) -> int:
        return max(1, round((self.timeout - min(MARGIN, self.timeout / 10)) * 1000))


class Reads(Batch):
    """Keys to read."""

    __slots__ = ()

    @property
    def may_repeat(self) -> bool:
        """See Batch."""
        return True

    def add(self, key: str, future: "asyncio.Future[Outcome]") -> None:
        """Add a key with a future of its own."""
        self.keys.append(key)
        self.futures.append(future)

    def request(self, number: int) -> bytes:
        """See Batch."""
        reads = kv_pb2.BatchGetRequest(keys=self.keys, consistency=self.level)
        request = kv_pb2.SessionRequest(id=number, timeout_ms=self._milliseconds(), batch_get=reads)
        return request.SerializeToString()

    def outcomes(self, address: str, response: kv_pb2.SessionResponse) -> Sequence[Outcome]:
        """See Batch."""
        results = response.batch_get.results
        if len(results) != len(self.keys):
            raise _refusal(address, response)
        return [_read(address, result) for result in results]

    def halves(self) -> "tuple[Batch, Batch]":
        """See Batch."""
        middle, parts = len(self.keys) // 2, []
        for cut in (slice(None, middle), slice(middle, None)):
            part = Reads(self.level, self.timeout, self.gathering)
            part.keys, part.futures = self.keys[cut], self.futures[cut]
            parts.append(part)
        return parts[0], parts[1]


class Writes(Batch):
    """Keys to store or delete, each once."""

    __slots__ = ("known", "messages")

    def __init__(
        self, level: record_pb2.Consistency, timeout: float, gathering: Gathering | None = None
    ) -> None:
        super().__init__(level, timeout, gathering)
        self.messages: list[kv_pb2.BatchWrite] = []
        self.known: set[str] = set()

    @property
    def may_repeat(self) -> bool:
        """See Batch."""
        return all(write.idempotency_key for write in self.messages)

    def add(self, write: kv_pb2.BatchWrite, future: "asyncio.Future[Outcome] | None" = None) -> None:
        """Add a write, with a future of its own unless there is a gathering."""
        key = write.key
        self.keys.append(key)
        self.known.add(key)
        self.messages.append(write)
        if future is not None:
            self.futures.append(future)
        self.size += len(write.value) or len(write.blob)

    def request(self, number: int) -> bytes:
        """See Batch."""
        writes = kv_pb2.BatchSetRequest(writes=self.messages, consistency=self.level)
        request = kv_pb2.SessionRequest(id=number, timeout_ms=self._milliseconds(), batch_set=writes)
        return request.SerializeToString()

    def outcomes(self, address: str, response: kv_pb2.SessionResponse) -> Sequence[Outcome]:
        """See Batch."""
        results = response.batch_set.results
        if len(results) != len(self.keys):
            raise _refusal(address, response)
        return [_written(address, result) for result in results]

    def halves(self) -> "tuple[Batch, Batch]":
        """See Batch."""
        middle, parts = len(self.keys) // 2, []
        for cut in (slice(None, middle), slice(middle, None)):
            part = Writes(self.level, self.timeout, self.gathering)
            part.keys, part.futures, part.messages = self.keys[cut], self.futures[cut], self.messages[cut]
            part.known = set(part.keys)
            parts.append(part)
        return parts[0], parts[1]


def _read(address: str, result: kv_pb2.BatchGetResult) -> Outcome:
    if result.found:
        value = result.value
        return result.blob if not value and result.HasField("blob") else value
    if result.HasField("error"):
        return item_error(address, result.error, result.failure)
    return MISSING


def _written(address: str, result: kv_pb2.BatchSetResult) -> Outcome:
    if result.HasField("error"):
        return item_error(address, result.error, result.failure)
    receipt = result.receipt
    return Stored(Receipt(receipt.version, receipt.epoch, receipt.acked, receipt.replicas), result.existed)


def _refusal(address: str, response: kv_pb2.SessionResponse) -> LimeDBError:
    if response.HasField("error"):
        return item_error(address, response.error, response.failure)
    return RemoteError(address, "MALFORMED_ANSWER", "INTERNAL", "the answer is not one to what was asked")
