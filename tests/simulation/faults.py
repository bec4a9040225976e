"""Faults planted in the product, each of which a seed must show.

It owns what is left out or done wrong. A fault is planted for one test and never stays.
"""

import pytest

from limedb.cluster.handoff import Handoff, Job, Part
from limedb.cluster.transfer import Sources
from limedb.core.coverage import Coverage
from limedb.core.quorum import Level
from limedb.core.slewed_time import SlewedTime
from limedb.replication import writing
from limedb.replication.watching import _Source, _Watch


def one_source(patch: pytest.MonkeyPatch) -> None:
    """A new owner fetches from one of the old ones only."""
    sound = Handoff._sources

    def sources(self: Handoff, job: Job, part: Part) -> Sources:
        return sound(self, job, part)._replace(others={}, needed=1)

    patch.setattr(Handoff, "_sources", sources)


def hints_are_acks(patch: pytest.MonkeyPatch) -> None:
    """One replica is enough for a write: the others are left hints."""
    patch.setattr(writing, "needed", lambda level, n: 1)


def time_steps_back(patch: pytest.MonkeyPatch) -> None:
    """The cluster's time is that of its clocks, whatever happens to them."""
    patch.setattr(SlewedTime, "lead", lambda self, now_ms, at: 0.0)


def watch_of_one_owner(patch: pytest.MonkeyPatch) -> None:
    """A watch takes one owner of each range for enough, as if it were a majority."""
    one = Level.ONE
    sound = Coverage.is_enough
    patch.setattr(Coverage, "is_enough", lambda self, nodes, level: sound(self, nodes, one))


def watch_of_restarted(patch: pytest.MonkeyPatch) -> None:
    """A node that was restarted counts at once, though it has forgotten what it was to tell."""

    def counts(self: _Watch, source: _Source) -> bool:
        return source.stands

    patch.setattr(_Watch, "_counts", counts)
