"""Goals are judged by the medians of one run, and say so when the rounds disagree."""

import pytest

from bench import names, table
from bench.goals import GOALS, outcomes
from bench.results import Results

GET = names.unary("get")


def outcome_of(results: Results, text: str) -> str:
    (verdict,) = [o.verdict for o in outcomes(results) if o.goal.text == text]
    return verdict


def measured(own: list[float], echo: list[float]) -> Results:
    results = Results()
    for value in own:
        results.add(GET, names.LIMEDB, "/s", value)
    for value in echo:
        results.add(GET, names.ECHO, "/s", value)
    return results


@pytest.mark.parametrize(
    ("own", "echo", "verdict"),
    [
        ([90.0, 91.0, 92.0], [100.0, 101.0, 102.0], "met"),
        ([70.0, 71.0, 72.0], [100.0, 101.0, 102.0], "missed"),
        ([70.0, 88.0, 99.0], [100.0, 100.0, 100.0], "met, but the rounds disagree"),
        ([70.0, 74.0, 99.0], [100.0, 100.0, 100.0], "missed, but the rounds disagree"),
        ([90.0], [], "not measured"),
        ([], [100.0], "not measured"),
    ],
)
def test_a_ratio_is_judged_by_the_medians(own: list[float], echo: list[float], verdict: str) -> None:
    assert outcome_of(measured(own, echo), "unary get, one node, to the bare echo") == verdict


@pytest.mark.parametrize(("many", "verdict"), [(14.0, "met"), (16.0, "missed")])
def test_a_goal_may_be_an_upper_bound(many: float, verdict: str) -> None:
    results = Results()
    results.add(names.GRPC_GET, names.with_keys(names.LIMEDB, 10**3), "µs", 10.0)
    results.add(names.GRPC_GET, names.with_keys(names.LIMEDB, 10**7), "µs", many)
    assert outcome_of(results, "a Get at 10^7 keys, to one at 10^3") == verdict


def test_every_goal_stands_in_the_table_whether_it_was_measured_or_not() -> None:
    lines = table.goals_table(list(outcomes(measured([90.0], [100.0])))).splitlines()
    assert len(lines) == 2 + len(GOALS)
    assert sum("not measured" in line for line in lines) == len(GOALS) - 1
    assert "| 0.90 |" in lines[2].replace("     ", " ")


def test_what_was_left_out_is_named_with_its_reason() -> None:
    results = Results()
    results.leave_out("etcd, one node", "no etcd here")
    assert table.left_out_list(results) == "- left out: etcd, one node: no etcd here"
