"""The outcomes of many records at a replica, in columns: an outcome becomes an object only if somebody reads
it.

It owns the form. It must never judge an outcome.

Tested in tests/wire/test_frames.py and tests/replication/write/test_batch_acks.py.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import overload

from typing_extensions import override

from limedb.ports.store import Applied

NONE: Mapping[int, int] = MappingProxyType({})


class AppliedColumns(Sequence[Applied]):
    """Outcomes of records, in their order.

    existed: a byte for each, as Applied.existed. previous: of each. superseded: the version of the newer
    record, by the place of the one that was sent, in rising order; most answers have none.
    """

    __slots__ = ("existed", "previous", "superseded")

    def __init__(
        self, existed: bytes, previous: tuple[int, ...], superseded: Mapping[int, int] = NONE
    ) -> None:
        self.existed, self.previous, self.superseded = existed, previous, superseded

    @override
    def __len__(self) -> int:
        return len(self.existed)

    @override
    def __eq__(self, other: object) -> bool:
        """Whether these are the same outcomes, in whichever form."""
        return isinstance(other, Sequence) and [*self] == [*other]

    @overload
    def __getitem__(self, place: int) -> Applied: ...
    @overload
    def __getitem__(self, place: slice) -> "AppliedColumns": ...
    @override
    def __getitem__(self, place: int | slice) -> "Applied | AppliedColumns":
        if isinstance(place, int):
            place = range(len(self))[place]
            return Applied(self.superseded.get(place, 0), bool(self.existed[place]), self.previous[place])
        chosen = range(len(self))[place]
        superseded = self.superseded and {
            i: self.superseded[old] for i, old in enumerate(chosen) if old in self.superseded
        }
        return AppliedColumns(self.existed[place], self.previous[place], superseded)


def columns_of(applied: Sequence[Applied]) -> AppliedColumns:
    """Outcomes in columns."""
    if isinstance(applied, AppliedColumns):
        return applied
    if not applied:
        return AppliedColumns(b"", ())
    superseded, existed, previous = zip(*applied, strict=True)
    newer = (
        {place: version for place, version in enumerate(superseded) if version} if any(superseded) else NONE
    )
    return AppliedColumns(bytes(existed), previous, newer)
