"""The pace of scrubbing."""

import asyncio

import pytest

from limedb.ports import Scrubbed, StoreStats
from limedb.replication.repair.scrubber import Scrubber
from limedb.storage.memory.store import MemoryStore
from tests.cluster.virtual import START_MS, VirtualClock, run_virtual

INTERVAL = 1000.0


class PagedStore(MemoryStore):
    """A store that is scrubbed in so many steps of one size. begun: when passes began, loop seconds."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps, self.begun = steps, list[float]()

    async def scrub(self, place: bytes, size: int) -> Scrubbed:
        step = int.from_bytes(place)
        if step == 0:
            self.begun.append(asyncio.get_running_loop().time())
        following = (step + 1).to_bytes(4) if step + 1 < self._steps else b""
        return Scrubbed(following, 1, 100)

    def stats(self) -> StoreStats:
        return StoreStats("memory", self._steps, self._steps * 100)


class Mark:
    """Where a scrubber was in an earlier run."""

    def __init__(self, place: bytes, ended_ms: int) -> None:
        self._kept = place, ended_ms

    def load(self) -> tuple[bytes, int]:
        return self._kept

    async def save(self, place: bytes, ended_ms: int) -> None:
        self._kept = place, ended_ms


async def begun(steps: int, seconds: float, mark: Mark | None = None) -> list[float]:
    """When passes begin within so many seconds."""
    store = PagedStore(steps)
    task = asyncio.create_task(Scrubber(store, VirtualClock(), INTERVAL, mark).run())
    await asyncio.sleep(seconds)
    task.cancel()
    return store.begun


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_all_is_read_once_in_an_interval_however_much_it_is(steps: int) -> None:
    found = run_virtual(begun(steps, 3.5 * INTERVAL))
    assert found == pytest.approx([0, INTERVAL, 2 * INTERVAL, 3 * INTERVAL], abs=1)


def test_after_a_restart_no_more_than_an_interval_passes_between_two_passes() -> None:
    mark = Mark(b"", START_MS - 100_000)  # so one that took its time began 900 s ago
    assert run_virtual(begun(50, 0.5 * INTERVAL, mark)) == pytest.approx([100], abs=1)


def test_a_clock_that_was_set_back_delays_a_pass_by_an_interval_at_most() -> None:
    mark = Mark(b"", START_MS + 86_400_000)
    assert run_virtual(begun(50, 1.5 * INTERVAL, mark)) == pytest.approx([INTERVAL], abs=1)
