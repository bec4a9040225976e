"""What a request waits for while records are damaged, and what it writes over."""

from collections.abc import Iterable

import pytest

from limedb.core.record import Record
from limedb.errors import LOST, RecordDamagedError
from limedb.replication.repair.heal_and_retry import HEAL_ATTEMPTS, HEAL_SECONDS, HealAndRetry
from tests.support.hand_clock import HandClock


class Damaged:
    """A store with damaged keys, and its healer. mendable: keys that are mended when that is asked."""

    def __init__(self, *damaged: str, mendable: Iterable[str] = (), lost: Iterable[str] = ()) -> None:
        self.damaged, self.mendable, self.lost = set(damaged), set(mendable), set(lost)
        self.deadlines: list[float] = []
        self.overwritten: list[Record] = []

    async def read(self) -> str:
        if self.damaged:
            raise RecordDamagedError(tuple(sorted(self.damaged)), "wrong checksum")
        return "all"

    async def heal(self, keys: Iterable[str], deadline: float) -> bool:
        self.deadlines.append(deadline)
        self.damaged -= self.mendable
        return self.damaged.isdisjoint(keys)

    def is_lost(self, key: str) -> bool:
        return key in self.lost

    async def overwrite(self, record: Record) -> None:
        self.overwritten.append(record)
        self.damaged.discard(record.key)


def healing(store: Damaged) -> HealAndRetry:
    made = HealAndRetry(HandClock(0.0))
    made.healer = store
    return made


async def test_what_is_mended_is_read_again() -> None:
    store = Damaged("k", mendable="k")
    assert await healing(store).run(store.read) == "all"
    assert store.deadlines == [HEAL_SECONDS]


async def test_the_wait_ends_with_the_requests_deadline() -> None:
    store = Damaged("k", mendable="k")
    assert await healing(store).run(store.read, deadline=0.5) == "all"
    assert store.deadlines == [0.5]


async def test_without_a_healer_damage_is_reported_as_it_is() -> None:
    store = Damaged("k", mendable="k")
    with pytest.raises(RecordDamagedError, match="wrong checksum"):
        await HealAndRetry(HandClock(0.0)).run(store.read)


async def test_what_cannot_be_mended_now_is_not_answered() -> None:
    store = Damaged("k")
    with pytest.raises(RecordDamagedError, match="try again") as caught:
        await healing(store).run(store.read)
    assert (caught.value.keys, len(store.deadlines)) == (("k",), 1)


async def test_an_error_names_the_keys_that_no_replica_has() -> None:
    store = Damaged("k", "l", lost="l")
    with pytest.raises(RecordDamagedError, match=LOST) as caught:
        await healing(store).run(store.read)
    assert caught.value.keys == ("l",)


async def test_a_write_takes_the_place_of_a_lost_record_only() -> None:
    lost, waiting = Record("k", "v", 1), Record("l", "v", 1)
    store = Damaged("k", lost="k")
    assert await healing(store).run(store.read, records=[lost, waiting]) == "all"
    assert store.overwritten == [lost]
    store = Damaged("l")
    with pytest.raises(RecordDamagedError):
        await healing(store).run(store.read, records=[lost, waiting])
    assert store.overwritten == []


async def test_damage_that_comes_again_and_again_ends_the_tries() -> None:
    store = Damaged("k", mendable="k")

    async def read() -> str:
        store.damaged.add("k")
        return await store.read()

    with pytest.raises(RecordDamagedError):
        await healing(store).run(read)
    assert len(store.deadlines) == HEAL_ATTEMPTS
