"""What a node makes of the gossip about the others, in figures for people."""

import pytest

from limedb.core.detector import Status
from limedb.core.membership import NodeState
from limedb.core.report import GossipReport, PeerReport

ACTIVE, STALE, DEAD = Status.ACTIVE, Status.STALE, Status.DEAD
OWN = NodeState("http://own:1", 1)


def report(*statuses: Status, members: int | None = None) -> GossipReport:
    """Peers of these statuses, of which the first so many are members."""
    peers = tuple(
        PeerReport(NodeState(f"http://n{i}:1", 1), float(i), status) for i, status in enumerate(statuses)
    )
    urls = [OWN.url, *(peer.state.url for peer in peers[:members])]
    return GossipReport(OWN, peers, frozenset() if members is None else frozenset(urls))


@pytest.mark.parametrize(
    ("statuses", "health"),
    [
        ([], "healthy"),
        ([ACTIVE, ACTIVE], "healthy"),
        ([ACTIVE, STALE], "degraded"),
        ([ACTIVE, DEAD], "degraded"),
        ([DEAD], "critical"),
        ([ACTIVE, DEAD, DEAD], "critical"),
        ([STALE, STALE, STALE], "degraded"),
    ],
)
def test_a_cluster_is_critical_when_half_of_its_nodes_are_dead(statuses: list[Status], health: str) -> None:
    assert report(*statuses).cluster_health == health


def test_only_members_count_for_the_health_but_all_peers_are_counted() -> None:
    heard = report(ACTIVE, DEAD, DEAD, members=1)
    assert (heard.cluster_health, heard.convergence_rate) == ("healthy", 100.0)
    assert (heard.count(ACTIVE), heard.count(DEAD)) == (1, 2)


def test_figures_of_peers_and_of_none() -> None:
    heard = report(ACTIVE, STALE, DEAD, ACTIVE)
    assert (heard.convergence_rate, heard.average_lag, heard.max_lag) == (50.0, 1.5, 3.0)
    assert (report().convergence_rate, report().average_lag, report().max_lag) == (100.0, 0.0, 0.0)
