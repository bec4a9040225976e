"""A limit that many holders share, so that one that takes much leaves room for others.

It owns the amount that each holder has. It must never wait, nor know what it counts: mostly bytes.

Law: the amount held is the sum of what each holder has, and never over the limit, with two exceptions. While
nothing is held, any amount may be taken, for a request larger than its share must have its turn, too. And an
amount that would never fit otherwise may be taken while at most a sixteenth of the limit is held, since open
streams always hold a little. A holder may hold at most `part` of what is free for all: with part = 1 a single
holder gets half, and each further one half of the rest; with 1/2 a third of it. So a newcomer always finds
room, although less and less while the earlier holders keep all of theirs. Source: Choudhury and Hahne 1998,
"Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", whose alpha is `part`.
"""

LITTLE = 16
"""The part of a limit, as 1 / PART, that may be held while an amount as large as the limit has its turn."""


class Budget:
    """The amounts held of a limit. part: see above, more than 0 and at most 1. held: the sum of all
    holders.
    """

    def __init__(self, limit: int, part: float = 1.0) -> None:
        self.limit, self.part = limit, part
        self.held = 0
        self._by_holder: dict[str, int] = {}

    def take(self, holder: str, amount: int) -> bool:
        """Hold `amount` (0 or more) in addition; False: there is no room for it, and nothing has changed.

        The free part is measured before the amount is taken.
        """
        own = self._by_holder.get(holder, 0)
        if self.held and own + amount > self.part * self.free and not self._has_its_turn(amount):
            return False
        self._put(holder, own + amount)
        self.held += amount
        return True

    def _has_its_turn(self, amount: int) -> bool:
        """Whether so little is held that an amount as large as a whole part may be taken."""
        little = self.limit / LITTLE
        return self.held <= little and amount > self.part * (self.limit - little)

    def force(self, holder: str, amount: int) -> None:
        """Hold `amount` more even if there is no room: for data that exists already and can't be refused."""
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
        """The amount that nobody holds."""
        return max(0, self.limit - self.held)

    @property
    def holders(self) -> int:
        """How many holders have something."""
        return len(self._by_holder)

    def most(self) -> tuple[str, int]:
        """The holder of the largest amount, and the amount; "" and 0 if nothing is held."""
        return max(self._by_holder.items(), key=lambda item: item[1], default=("", 0))

    def held_by(self, holder: str) -> int:
        """The amount that a holder has."""
        return self._by_holder.get(holder, 0)

    def _put(self, holder: str, amount: int) -> None:
        if amount:
            self._by_holder[holder] = amount
        else:
            self._by_holder.pop(holder, None)
