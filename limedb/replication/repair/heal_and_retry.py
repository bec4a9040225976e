"""Lets damaged records be mended before a request is answered.

It owns how long a request waits for that, and which damaged records a write may replace. It must never answer
for a damaged record.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from limedb.core.record import Record
from limedb.errors import LOST, RecordDamagedError
from limedb.ports import Clock

_T = TypeVar("_T")

HEAL_SECONDS = 2.0
"""How long a request waits for damaged records to be mended."""
HEAL_ATTEMPTS = 8


class Heals(Protocol):
    """Mends damaged records of the store; see `healing.Healer`."""

    async def heal(self, keys: Iterable[str], deadline: float) -> bool:
        """Mend keys; return whether all are mended."""

    def is_lost(self, key: str) -> bool:
        """Whether a write may replace a damaged record."""

    async def overwrite(self, record: Record) -> None:
        """Put a record there."""


class HealAndRetry:
    """Repeats requests that damaged records prevented. healer: mends them; None: nothing does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.healer: Heals | None = None

    async def run(
        self,
        work: Callable[[], Awaitable[_T]],
        deadline: float = float("inf"),
        records: Sequence[Record] = (),
    ) -> _T:
        """The store's answer once the damaged records were mended. records: those to write, of which one may
        replace a lost one.

        RecordDamagedError: it can't be mended now, so nothing is answered or written here.
        """
        for _ in range(HEAL_ATTEMPTS):
            try:
                return await work()
            except RecordDamagedError as error:
                if self.healer is None:
                    raise
                latest = min(deadline, self._clock.monotonic() + HEAL_SECONDS)
                is_mended = await self.healer.heal(error.keys, latest)
                if not is_mended and not await _overwrite(self.healer, error.keys, records):
                    raise _explained(self.healer, error) from None
        return await work()


def _explained(healer: Heals, error: RecordDamagedError) -> RecordDamagedError:
    """The error, with the keys that no other replica has, if there are any."""
    lost = tuple(filter(healer.is_lost, error.keys))
    is_said = not lost or error.why.endswith(LOST)
    return error if is_said else RecordDamagedError(lost, f"{error.why}; {LOST}")


async def _overwrite(healer: Heals, damaged: Sequence[str], records: Sequence[Record]) -> bool:
    """Overwrite lost records; return whether nothing else is in the way."""
    by_key = {record.key: record for record in records}
    lost = [by_key[key] for key in damaged if key in by_key and healer.is_lost(key)]
    for record in lost:
        await healer.overwrite(record)
    return bool(lost)
