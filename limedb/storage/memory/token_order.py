"""Records of a dict in the order of tokens, for walks through the memory and the filesystem store.

It owns orders that are updated lazily. It must never change a record.

Tested in tests/storage/test_walk.py.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar

from typing_extensions import override

from limedb.ports import IndexEntry
from limedb.storage.entries import unpack
from limedb.storage.walk import Index

_T = TypeVar("_T", str, tuple[int, str])

Place = tuple[int, str]
"""A token, and a key with that token."""


class SortedLazily(Generic[_T]):
    """Things in order, each added once. Adding is O(1); the next read sorts the new things in."""

    def __init__(self) -> None:
        self._things: list[_T] = []
        self._is_sorted = True

    def add(self, thing: _T) -> None:
        """Add a thing that isn't contained yet."""
        self._things.append(thing)
        self._is_sorted = False

    def remove(self, things: Collection[_T]) -> None:
        """Remove things. O(n)."""
        self._things = [thing for thing in self._things if thing not in things]

    def sorted(self) -> list[_T]:
        """All things in order; the caller must not change the list."""
        if not self._is_sorted:
            self._things.sort()  # an ordered run and a short rest: close to one pass
            self._is_sorted = True
        return self._things


class TokenOrder(Index[Place]):
    """An Index (`walk`) of keys in memory. places: returns the present places in order. pack: returns the
    packed entry at a place.
    """

    def __init__(self, places: Callable[[], Sequence[Place]], pack: Callable[[Place], bytes]) -> None:
        self._places, self._pack = places, pack

    @override
    def start(self, token: int) -> Place:
        return (token, "")

    @override
    def behind(self, place: Place) -> Place:
        return (place[0], place[1] + "\0")

    @override
    def read(self, start: Place, last: int, limit: int) -> list[tuple[Place, bytes]]:
        places = self._places()
        first = bisect_left(places, start)
        end = min(bisect_left(places, (last + 1, "")), first + limit)
        return [(place, self._pack(place)) for place in places[first:end]]

    @override
    def token(self, place: Place) -> int:
        return place[0]

    @override
    def key(self, place: Place) -> str:
        return place[1]

    @override
    def entries(self, items: Sequence[tuple[Place, bytes]]) -> list[tuple[int, IndexEntry]]:
        return [(place[0], unpack(place[1], packed)) for place, packed in items]
