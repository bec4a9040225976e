"""The problems that administrators see when members are missing."""

from limedb.core.detector import Status
from limedb.core.membership import NodeState
from limedb.core.report import PeerReport
from limedb.core.topology import Member, Topology, initial_topology, join
from limedb.rpc.server.diagnosis import problems_of

A, B, C = (f"http://node{i}:8484" for i in range(1, 4))


def cluster(*urls: str) -> Topology:
    return initial_topology("00000000000000aa", 3, [Member(f"id of {url}", url) for url in urls])


def heard(url: str, status: Status = Status.ACTIVE, node_id: str = "") -> tuple[str, PeerReport]:
    return url, PeerReport(NodeState(url, 1, 1, node_id=node_id or f"id of {url}"), 0.0, status)


def test_nothing_is_wrong_where_all_are_there() -> None:
    assert list(problems_of(cluster(A, B), dict([heard(A), heard(B)]))) == []


def test_a_missing_minority_is_named_and_no_more() -> None:
    peers = dict([heard(A), heard(B), heard(C, Status.DEAD)])
    assert list(problems_of(cluster(A, B, C), peers)) == [f"{C} is dead"]
    del peers[C]
    assert list(problems_of(cluster(A, B, C), peers)) == [f"{C} was never heard of"]


def test_a_newcomer_that_is_dead_is_named_with_what_becomes_of_its_join() -> None:
    joining = join(cluster(A, B), Member(f"id of {C}", C))
    (said,) = problems_of(joining, dict([heard(A), heard(B), heard(C, Status.DEAD)]))
    assert said.startswith(f"{C} is dead, and was joining: it resumes when it is back")
    assert "limedb admin cancel" in said


def test_without_a_majority_it_says_what_can_be_done() -> None:
    lost, stuck = problems_of(cluster(A, B), dict([heard(A), heard(B, Status.DEAD)]))
    assert lost == f"{B} is dead"
    assert stuck.startswith("only 1 of 2 members are present to agree on a change, and 2 must be")
    assert f"until enough of {B} are back" in stuck
    assert "limedb repair-topology" in stuck


def test_a_node_that_waits_for_another_cluster_is_named() -> None:
    waiting = PeerReport(NodeState(B, 1, 1, node_id="anew", rejoins="00000000000000bb"), 0.0, Status.ACTIVE)
    (problem,) = problems_of(cluster(A), dict([heard(A), (B, waiting)]))
    assert problem.startswith(f"{B} waits for cluster 00000000000000bb")
    own = PeerReport(NodeState(B, 1, 1, node_id="anew", rejoins="00000000000000aa"), 0.0, Status.ACTIVE)
    assert list(problems_of(cluster(A), dict([heard(A), (B, own)]))) == []


def test_a_node_of_no_cluster_lacks_no_majority() -> None:
    assert list(problems_of(Topology(), dict([heard(A), heard(B)]))) == []


def test_a_member_that_is_back_without_its_data_is_none_that_can_agree() -> None:
    peers = dict([heard(A), heard(B, node_id="another")])
    lost, stuck = problems_of(cluster(A, B), peers)
    assert lost.startswith(f"{B} is back without its data")
    assert stuck.startswith("only 1 of 2")


def test_nor_is_anything_wrong_with_one_that_joins_in_its_own_place() -> None:
    topology = join(cluster(A, B, C), Member("another", C))
    peers = dict([heard(A), heard(B), heard(C, node_id="another")])
    assert list(problems_of(topology, peers)) == []
