"""The choice of the next peers to gossip with.



It owns the choice and its randomness. It must never talk to a peer.

Tested in tests/cluster/gossip/test_gossiper.py.
"""

from collections.abc import Collection, Sequence
from random import Random


class PeerPicker:
    """Picks the peers of a round: a live one, sometimes a dead one, sometimes a seed.

    Live nodes come in shuffled turns rather than by independent random draws, so that none is left out for
    more than two turns and a silence means more. Source: Das, Gupta, Motivala 2002, "SWIM", section 4.3. Dead
    nodes and seeds are picked as often as in Cassandra's gossip: often enough that a returning node, or two
    halves of a cluster, find each other; too seldom to waste rounds.
    """

    def __init__(self, rng: Random, seeds: Sequence[str]) -> None:
        self._rng, self._seeds = rng, seeds
        self._turn: list[str] = []

    def pick(self, living: Collection[str], dead: Sequence[str]) -> set[str]:
        """The peers of one round: one to three, none if no peer is known."""
        picked = {url for url in [self._next(living)] if url}
        if self._rng.random() < len(dead) / (len(living) + 1):
            picked.add(self._rng.choice(dead))
        if not picked.intersection(self._seeds) and self._is_seed_due(len(living) + len(dead)):
            picked.add(self._rng.choice(self._seeds))
        return picked

    def _is_seed_due(self, others: int) -> bool:
        return bool(self._seeds) and self._rng.random() * others < len(self._seeds)

    def _next(self, living: Collection[str]) -> str | None:
        """The next live peer of this turn; None if there is none."""
        self._turn = [url for url in self._turn if url in living]
        if not self._turn:
            self._turn = sorted(living)
            self._rng.shuffle(self._turn)
        return self._turn.pop() if self._turn else None
