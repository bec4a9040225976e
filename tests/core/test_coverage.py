"""Whether nodes are enough of every range's owners."""

from itertools import combinations

import pytest

from limedb.core.coverage import Coverage
from limedb.core.layout import Layout
from limedb.core.quorum import Level, needed
from limedb.core.topology import Member, Topology, initial_topology, join
from limedb.errors import NotMemberError

URLS = [f"http://n{i}:1" for i in range(5)]


def topology(nodes: int, replication_factor: int) -> Topology:
    return initial_topology(
        "c1", replication_factor, [Member(f"id{i}", URLS[i], virtual_nodes=8) for i in range(nodes)]
    )


@pytest.mark.parametrize("level", [Level.ONE, Level.QUORUM, Level.ALL])
@pytest.mark.parametrize(
    "of",
    [
        topology(4, 3),
        topology(3, 3),
        topology(2, 3),
        topology(4, 1),
        join(topology(4, 2), Member("n", URLS[4])),
    ],
)
def test_nodes_are_enough_when_each_token_has_as_many_current_owners_among_them(
    of: Topology, level: Level
) -> None:
    layout = Layout(of)
    coverage = Coverage(layout)
    for size in range(len(URLS) + 1):
        for nodes in combinations(URLS, size):
            expected = all(
                sum(url in nodes for url in owners.natural) >= needed(level, owners.replicas)
                for _, owners in layout.segments()
            )
            assert coverage.is_enough(nodes, level) == coverage.is_enough(nodes, level) == expected


def test_only_those_that_are_read_count() -> None:
    assert Coverage(Layout(join(topology(4, 2), Member("n", URLS[4])))).nodes == set(URLS[:4])


def test_without_a_cluster_there_are_no_owners() -> None:
    with pytest.raises(NotMemberError):
        Coverage(Layout(Topology()))
