"""Faults planted in the product, each of which some seed must show.

It owns what is left out or done wrong. A fault is planted for one test and never stays.
"""

from collections.abc import Callable, Mapping

import pytest

from limedb.cluster import leader
from limedb.cluster.handoff import Handoff, Job, Part
from limedb.cluster.transfer import Sources
from limedb.core import layout, topology
from limedb.core.topology import Fence, Topology, finish
from limedb.errors import StaleEpochError
from limedb.replication import writing
from limedb.replication.replica import LocalReplica

Plant = Callable[[pytest.MonkeyPatch], None]


def one_source(patch: pytest.MonkeyPatch) -> None:
    """A new owner fetches from one of the old ones only."""
    sound = Handoff._sources

    def sources(self: Handoff, job: Job, part: Part) -> Sources:
        return sound(self, job, part)._replace(others={}, needed=1)

    patch.setattr(Handoff, "_sources", sources)


def no_handover(patch: pytest.MonkeyPatch) -> None:
    """The change is finished when the new owners have fetched, whoever still reads the old ones."""
    sound = topology.hand_over

    def hand_over(before: Topology) -> Topology:
        after = finish(sound(before))
        return Topology(
            after.cluster_id, before.epoch + 1, after.replication_factor, after.members, after.phase
        )

    patch.setattr(topology, "hand_over", hand_over)
    patch.setattr(leader, "hand_over", hand_over)


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """A replica serves what was made under an older epoch."""
    sound = LocalReplica._check

    def check(self: LocalReplica, fence: Fence) -> Topology:
        try:
            return sound(self, fence)
        except StaleEpochError as error:
            return error.topology

    patch.setattr(LocalReplica, "_check", check)


def hints_are_acks(patch: pytest.MonkeyPatch) -> None:
    """One replica is enough for a write: the others are left hints."""
    patch.setattr(writing, "needed", lambda level, n: 1)


def nothing_caught_up(patch: pytest.MonkeyPatch) -> None:
    """Owners that become fewer go on with what each of them has."""
    patch.setattr(layout, "_shrinks", lambda old, new: False)


FAULTS: Mapping[str, Plant] = {
    plant.__name__: plant for plant in (one_source, no_handover, no_fence, hints_are_acks, nothing_caught_up)
}
