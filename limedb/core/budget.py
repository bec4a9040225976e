"""A limit that many share, so that one who takes much leaves room for others.

It owns who holds how much. It must never wait, nor know what it counts: bytes mostly.

Law: what is held is the sum of what each holder holds, and never over the limit, but for what was taken
alone: while nothing is held anything may be, for what is larger than its part must have its turn, too. What
would fit at no other time may be taken while no more than a sixteenth of the limit is held: streams that only
stand there always hold a little. A holder may hold at most `part` of what is free for all: with part = 1
one alone gets half, and each further one half of what is left; with 1/2 a third of it. So who comes later
always finds room, if less and less while those before keep all. Source: Choudhury and Hahne 1998, "Dynamic
Queue Length Thresholds for Shared-Memory Packet Switches", whose alpha is `part`.
"""

LITTLE = 16
"""The part of a limit that may be held while what is as large as all of it has its turn: 1 in so many."""


class Budget:
    """What is held of a limit. part: see above, more than 0 and at most 1. held: by all."""

    def __init__(self, limit: int, part: float = 1.0) -> None:
        self.limit, self.part = limit, part
        self.held = 0
        self._by_holder: dict[str, int] = {}

    def take(self, holder: str, amount: int) -> bool:
        """Hold `amount` more, from 0 on; False: there is no room for it, and nothing has changed.

        What is free is counted before the amount is taken.
        """
        own = self._by_holder.get(holder, 0)
        if self.held and own + amount > self.part * self.free and not self._has_its_turn(amount):
            return False
        self._put(holder, own + amount)
        self.held += amount
        return True

    def _has_its_turn(self, amount: int) -> bool:
        """Whether an amount that is as large as all of a part finds next to nothing held."""
        little = self.limit / LITTLE
        return self.held <= little and amount > self.part * (self.limit - little)

    def force(self, holder: str, amount: int) -> None:
        """Hold `amount` more although there may be no room: for what exists already and can't be refused."""
        self._put(holder, self._by_holder.get(holder, 0) + amount)
        self.held += amount

    def give(self, holder: str, amount: int) -> None:
        """Hold `amount` less. ValueError: the holder holds less than that."""
        own = self._by_holder.get(holder, 0)
        if amount > own:
            raise ValueError(f"{holder} holds {own}, and can't give {amount}")
        self._put(holder, own - amount)
        self.held -= amount

    @property
    def free(self) -> int:
        """How much nobody holds."""
        return max(0, self.limit - self.held)

    @property
    def holders(self) -> int:
        """How many hold something."""
        return len(self._by_holder)

    def most(self) -> tuple[str, int]:
        """Who holds most, and how much; nobody and 0 where nothing is held."""
        return max(self._by_holder.items(), key=lambda item: item[1], default=("", 0))

    def held_by(self, holder: str) -> int:
        """How much one holds."""
        return self._by_holder.get(holder, 0)

    def _put(self, holder: str, amount: int) -> None:
        if amount:
            self._by_holder[holder] = amount
        else:
            self._by_holder.pop(holder, None)
