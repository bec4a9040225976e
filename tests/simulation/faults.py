"""Faults planted in the product, each of which a seed must show.

It owns what is left out or done wrong. A fault is planted for one test and never stays.
"""

import pytest

from limedb.cluster.handoff import Handoff, Job, Part
from limedb.cluster.transfer import Sources
from limedb.core.coverage import Coverage
from limedb.core.quorum import Level
from limedb.replication import writing
from limedb.replication.feed import Feed, Source
from limedb.replication.reported import Known, Reported


def one_source(patch: pytest.MonkeyPatch) -> None:
    """A new owner fetches from one of the old ones only."""
    sound = Handoff._sources

    def sources(self: Handoff, job: Job, part: Part) -> Sources:
        return sound(self, job, part)._replace(others={}, needed=1)

    patch.setattr(Handoff, "_sources", sources)


def hints_are_acks(patch: pytest.MonkeyPatch) -> None:
    """One replica is enough for a write: the others are left hints."""
    patch.setattr(writing, "needed", lambda level, n: 1)


def watch_of_one_owner(patch: pytest.MonkeyPatch) -> None:
    """A watch takes one owner of each range for enough, as if it were a majority."""
    one = Level.ONE
    sound = Coverage.is_enough
    patch.setattr(Coverage, "is_enough", lambda self, nodes, level: sound(self, nodes, one))


def watch_of_restarted(patch: pytest.MonkeyPatch) -> None:
    """A node that was restarted counts at once, though it has forgotten what it was to tell."""

    def counts(self: Feed, source: Source) -> bool:
        return source.stands

    patch.setattr(Feed, "_counts", counts)


def watch_that_forgets(patch: pytest.MonkeyPatch) -> None:
    """A key that a feed has forgotten is taken for one that it never reported."""
    sound = Reported.look

    def look(self: Reported, key: str, version: int) -> Known:
        known = sound(self, key, version)
        return Known.NEW if known is Known.UNSURE else known

    patch.setattr(Reported, "look", look)


def watch_that_drops(patch: pytest.MonkeyPatch) -> None:
    """What a feed is unsure of is left out, though it may be on its way."""
    patch.setattr(Feed, "_was_reported", lambda self, version: True)
