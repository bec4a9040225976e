"""Lets damaged records be mended before a request is answered.

It owns how long a request waits for that, and what a write may take the place of. It must never answer for a
record that is damaged.
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
    """Mends what is damaged in the store; see `healing.Healer`."""

    async def heal(self, keys: Iterable[str], deadline: float) -> bool:
        """Mend keys; whether all are."""

    def is_lost(self, key: str) -> bool:
        """Whether a write may take the place of a damaged record."""

    async def overwrite(self, record: Record) -> None:
        """Put a record there."""


class HealAndRetry:
    """Repeats what damaged records prevent. healer: mends them; None: nothing does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.healer: Heals | None = None

    async def run(
        self,
        work: Callable[[], Awaitable[_T]],
        deadline: float = float("inf"),
        records: Sequence[Record] = (),
    ) -> _T:
        """What the store gives once what is damaged of it was mended. records: that are to be written, of
        which one may take the place of what is lost.

        RecordDamagedError: it can't be mended now, so that nothing is answered or written here.
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
    """An error that says which of its keys no other replica has, if it is so."""
    lost = tuple(filter(healer.is_lost, error.keys))
    is_said = not lost or error.why.endswith(LOST)
    return error if is_said else RecordDamagedError(lost, f"{error.why}; {LOST}")


async def _overwrite(healer: Heals, damaged: Sequence[str], records: Sequence[Record]) -> bool:
    """Write over what is lost; whether nothing else is in the way."""
    by_key = {record.key: record for record in records}
    lost = [by_key[key] for key in damaged if key in by_key and healer.is_lost(key)]
    for record in lost:
        await healer.overwrite(record)
    return bool(lost)
