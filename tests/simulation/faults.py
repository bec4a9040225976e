"""Faults planted in the product, each of which a seed must show.

It owns what is left out or done wrong. A fault is planted for one test and never stays.
"""

import pytest

from limedb.cluster.handoff import Handoff, Job, Part
from limedb.cluster.transfer import Sources
from limedb.replication import writing


def one_source(patch: pytest.MonkeyPatch) -> None:
    """A new owner fetches from one of the old ones only."""
    sound = Handoff._sources

    def sources(self: Handoff, job: Job, part: Part) -> Sources:
        return sound(self, job, part)._replace(others={}, needed=1)

    patch.setattr(Handoff, "_sources", sources)


def hints_are_acks(patch: pytest.MonkeyPatch) -> None:
    """One replica is enough for a write: the others are left hints."""
    patch.setattr(writing, "needed", lambda level, n: 1)
