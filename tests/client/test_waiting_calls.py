"""Which waiting calls share a batch."""

import asyncio
from collections.abc import Callable

from limedb.client.batch_bytes import deleting
from limedb.client.batches import MAX_BYTES, MAX_ITEMS, Batch, Writes
from limedb.client.waiting_calls import WaitingCalls
from limedbpb.v1 import record_pb2

ONE, QUORUM = record_pb2.CONSISTENCY_ONE, record_pb2.CONSISTENCY_QUORUM


def always(_batch: Batch) -> bool:
    return True


class Waiting:
    """Waiting calls, and how often they have said that some began to wait."""

    def __init__(self) -> None:
        self.began = 0
        self.calls = WaitingCalls(asyncio.get_running_loop(), self._count)

    def _count(self) -> None:
        self.began += 1

    def write(self, key: str, level: record_pb2.Consistency = ONE) -> None:
        self.calls.write(key, deleting(key), False, level, 1.0)

    def sent(self, may_send: Callable[[Batch], bool] = always) -> list[list[str]]:
        return [batch.keys for batch in (*self.calls.full(may_send), *self.calls.others(may_send))]


async def test_writes_of_one_level_share_a_batch_and_are_sent_once() -> None:
    waiting = Waiting()
    for key in ("a", "b", "c"):
        waiting.write(key)
    waiting.write("d", QUORUM)
    assert waiting.began == 2
    assert waiting.sent() == [["a", "b", "c"], ["d"]]
    assert not waiting.calls
    assert waiting.sent() == []


async def test_a_key_that_comes_again_waits_for_the_next_batch_with_what_comes_afterwards() -> None:
    waiting = Waiting()
    for key in ("a", "b", "a", "c"):
        waiting.write(key)
    assert next(waiting.calls.others(always)).keys == ["a", "b", "c"]
    waiting.write("d")
    assert waiting.sent() == [["a", "d"]]


async def test_writes_of_a_key_stay_in_their_order_and_none_is_lost() -> None:
    waiting = Waiting()
    for number in range(9):
        waiting.calls.write("a", b"%d" % number, False, ONE, 1.0)
        waiting.write(f"other-{number}")
    items, others = [], 0
    while waiting.calls:
        for batch in (*waiting.calls.full(always), *waiting.calls.others(always)):
            assert isinstance(batch, Writes)
            assert batch.keys.count("a") == len(set(batch.keys) & {"a"})
            items += [item for item in batch.items if len(item) == 1]
            others += sum(key != "a" for key in batch.keys)
    assert (items, others) == ([b"%d" % number for number in range(9)], 9)


async def test_a_batch_that_may_not_be_sent_waits() -> None:
    waiting = Waiting()
    waiting.write("a")
    assert waiting.sent(lambda _: False) == []
    assert waiting.calls
    assert [batch.keys for batch in waiting.calls.take_all()] == [["a"]]
    assert not waiting.calls


async def test_a_batch_takes_neither_more_calls_nor_more_bytes_than_one_may_have() -> None:
    waiting = Waiting()
    for number in range(MAX_ITEMS + 1):
        waiting.write(f"{number}")
    waiting.calls.write("large", b"v" * MAX_BYTES, False, ONE, 1.0)
    waiting.write("after")
    assert [len(keys) for keys in waiting.sent()] == [MAX_ITEMS, 2, 1]
    for number in range(MAX_ITEMS + 1):
        waiting.calls.read(f"{number}", ONE, 1.0)
    assert [len(keys) for keys in waiting.sent()] == [MAX_ITEMS, 1]


async def test_all_that_waits_can_be_taken_at_once() -> None:
    waiting = Waiting()
    for key in ("a", "a", "a"):
        waiting.write(key)
    waiting.calls.read("b", ONE, 1.0)
    assert sorted(key for batch in waiting.calls.take_all() for key in batch.keys) == ["a", "a", "a", "b"]
