"""How much each client has of something that every client may have only so much of.

It owns the amounts by client. It must never wait, nor know what it counts. A client has several names (its
identity, its address); an amount counts for each of them, and each has a most of its own.

Laws: an amount is counted for all names of a client or for none. What a name has is the sum of the amounts
taken for it and not given back, and over its most only where it had nothing before (`lone`) or by `force`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType


class ClientCounts:
    """most: what a name may have, by its place among a client's names. lone: any amount may be taken by one
    that has nothing, since a request larger than the most must have its turn, too.
    """

    def __init__(self, most: Sequence[int], lone: bool = False) -> None:
        self.most, self._lone = tuple(most), lone
        self._held: dict[str, int] = {}

    @property
    def held(self) -> Mapping[str, int]:
        """What each name has, if it has anything."""
        return MappingProxyType(self._held)

    def full(self, names: Sequence[str], amount: int) -> int | None:
        """The place of the name that has no room for so much more; None: there is room."""
        for place, (name, most) in enumerate(zip(names, self.most, strict=True)):
            own = self._held.get(name, 0)
            if own + amount > most and (own or not self._lone):
                return place
        return None

    def take(self, names: Sequence[str], amount: int) -> int | None:
        """Count so much more; else the place of the name that has no room for it, and nothing has changed."""
        if (place := self.full(names, amount)) is None:
            self.force(names, amount)
        return place

    def force(self, names: Sequence[str], amount: int) -> None:
        """Count so much more even if there is no room."""
        if amount:
            for name in names:
                self._held[name] = self._held.get(name, 0) + amount

    def give(self, names: Sequence[str], amount: int) -> None:
        """Count so much less. ValueError: there is less than that."""
        for name in names:
            left = self._held.get(name, 0) - amount
            if left < 0:
                raise ValueError(f"{name} has {left + amount}, and can't give {amount}")
            if left:
                self._held[name] = left
            else:
                self._held.pop(name, None)
