"""What follows from a replica's word that there is a newer topology."""

import pytest

from limedb.core.layout import Layout
from limedb.core.topology import Member, Topology, initial_topology, join
from limedb.errors import StaleEpochError
from limedb.replication.stale_epoch import follow_topology

FIRST = initial_topology("00000000000000ab", 3, [Member("id-a", "http://a:1")])
SECOND = join(FIRST, Member("id-b", "http://b:1"))


class Place:
    """A placement that goes over to what it is given, where that is proven."""

    def __init__(self, topology: Topology, proves: bool) -> None:
        self.layout, self._proves = Layout(topology), proves

    def adopt(self, topology: Topology) -> None:
        if self._proves and topology.epoch > self.layout.topology.epoch:
            self.layout = Layout(topology)


@pytest.mark.parametrize(
    ("now", "claimed", "proves", "is_newer"),
    [
        (FIRST, SECOND, True, True),
        (FIRST, SECOND, False, False),  # nobody proves it
        (FIRST, FIRST, True, False),  # it isn't newer
        (SECOND, FIRST, True, True),  # another request has followed it before
        (SECOND, SECOND, False, True),
    ],
)
def test_a_request_starts_over_only_under_a_newer_epoch_than_its_own(
    now: Topology, claimed: Topology, proves: bool, is_newer: bool
) -> None:
    place = Place(now, proves)
    assert follow_topology(place, StaleEpochError(claimed), Layout(FIRST)) is is_newer
