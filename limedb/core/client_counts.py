"""The amount that each client has of something with a limit for each client.

It owns the amounts by client. It must never wait, nor know what it counts. A client has several names (its
identity, its address); an amount counts for each of them, and each name has its own maximum.

Laws: an amount counts for all names of a client or for none. The amount of a name is the sum of the amounts
that were taken for it and not given back. It exceeds the maximum only where the name had nothing before
(`lone`), or by `force`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType


class ClientCounts:
    """most: the maximum of a name, by its place among a client's names. lone: a client that has nothing may
    take any amount, since a request larger than the maximum must have its turn, too.
    """

    def __init__(self, most: Sequence[int], lone: bool = False) -> None:
        self.most, self._lone = tuple(most), lone
        self._held: dict[str, int] = {}

    @property
    def held(self) -> Mapping[str, int]:
        """The amount of each name that has any."""
        return MappingProxyType(self._held)

    def full(self, names: Sequence[str], amount: int) -> int | None:
        """The place of the name that has no room for this amount; None: there is room."""
        for place, (name, most) in enumerate(zip(names, self.most, strict=True)):
            own = self._held.get(name, 0)
            if own + amount > most and (own or not self._lone):
                return place
        return None

    def take(self, names: Sequence[str], amount: int) -> int | None:
        """Add this amount and return None; or change nothing, and return the place of the name without room
        for it.
        """
        if (place := self.full(names, amount)) is None:
            self.force(names, amount)
        return place

    def force(self, names: Sequence[str], amount: int) -> None:
        """Add this amount even if there is no room."""
        if amount:
            for name in names:
                self._held[name] = self._held.get(name, 0) + amount

    def give(self, names: Sequence[str], amount: int) -> None:
        """Give this amount back. ValueError: the client has less than that."""
        for name in names:
            left = self._held.get(name, 0) - amount
            if left < 0:
                raise ValueError(f"{name} has {left + amount}, and can't give {amount}")
            if left:
                self._held[name] = left
            else:
                self._held.pop(name, None)
