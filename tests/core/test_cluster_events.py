"""What happened in a cluster, from facts to events, and from several nodes' events to one list."""

from dataclasses import replace

from limedb.core.cluster_events import (
    MOST_EVENTS,
    REFUSALS_MS,
    TEXT_CHARS,
    TOGETHER_MS,
    ClusterEvent,
    ClusterFacts,
    EventLog,
    merged,
)

A, B, C = (f"http://node{n}:1" for n in (1, 2, 3))
CALM = ClusterFacts(4, "no change runs", {A: "active", B: "active"}, {A: 10, B: 20})


def seen(*moments: ClusterFacts) -> list[tuple[str, str, str]]:
    """The events of facts, a second apart, as A has them."""
    log = EventLog(A)
    for number, facts in enumerate(moments):
        log.take(facts, 1000 * (number + 1))
    return [(event.kind, event.node_url, event.text) for event in log.events(0)]


START = ("restart", A, f"{A} was started")


def test_it_begins_with_the_nodes_own_start_and_nothing_else() -> None:
    assert seen(CALM, CALM) == [START]


def test_states_are_noted_once_each() -> None:
    gone = replace(CALM, conditions={A: "active", B: "unreachable"})
    dead = replace(CALM, conditions={A: "active", B: "dead"})
    assert seen(CALM, gone, gone, dead, CALM)[1:] == [
        ("state", B, f"{B} is unreachable, was active"),
        ("state", B, f"{B} is dead, was unreachable"),
        ("state", B, f"{B} is active, was dead"),
    ]


def test_epochs_members_and_restarts_are_noted() -> None:
    joined = ClusterFacts(
        5, f"{C} is joining (streaming)", {**CALM.conditions, C: "active"}, {A: 10, B: 21, C: 30}
    )
    assert seen(CALM, joined, replace(CALM, epoch=6, generations=joined.generations))[1:] == [
        ("restart", B, f"{B} was started"),
        ("epoch", "", f"epoch 5: {C} is joining (streaming)"),
        ("member", C, f"{C} is a member"),
        ("epoch", "", "epoch 6: no change runs"),
        ("member", C, f"{C} is no longer a member"),
    ]


def test_a_node_that_is_heard_of_for_the_first_time_was_not_restarted() -> None:
    assert seen(replace(CALM, generations={A: 10, B: 0}), CALM) == [START]


def test_a_problem_whose_numbers_change_is_one() -> None:
    full = [replace(CALM, problems=(f"the disk has {mib}.5 MiB left",)) for mib in (90, 80, 70)]
    assert seen(CALM, *full, CALM)[1:] == [
        ("problem", A, "the disk has 90.5 MiB left"),
        ("problem", A, "over: the disk has 70.5 MiB left"),
    ]


def test_refusals_are_counted_together() -> None:
    log = EventLog(A)
    for second in range(2 * REFUSALS_MS // 1000 + 1):
        log.take(replace(CALM, refusals={"MAX_CALLS": second}), 1000 * second + REFUSALS_MS)
    texts = [event.text for event in log.events(0) if event.kind == "refusal"]
    assert texts == ["60 refused: MAX_CALLS", "60 refused: MAX_CALLS"]


def test_events_are_bounded_and_so_are_their_texts() -> None:
    log = EventLog(A)
    for number in range(MOST_EVENTS + 10):
        log.take(replace(CALM, epoch=number, topology="x" * 2 * TEXT_CHARS), number + 1)
    events = log.events(0)
    assert len(events) == MOST_EVENTS
    assert {len(event.text) for event in events} == {TEXT_CHARS}
    assert [event.at_ms for event in log.events(MOST_EVENTS + 8)] == [MOST_EVENTS + 9, MOST_EVENTS + 10]


def event(at_ms: int, text: str, url: str) -> ClusterEvent:
    return ClusterEvent(at_ms, "state", C, text, (url,))


def test_what_several_nodes_saw_is_one_event_at_the_time_of_the_first() -> None:
    (one,) = merged([[event(5000, "dead", A)], [event(4000, "dead", B)]])
    assert (one.at_ms, one.seen_by) == (4000, (A, B))


def test_what_happened_again_later_is_another_event() -> None:
    later = 1000 + TOGETHER_MS + 1
    found = merged([[event(1000, "dead", A), event(later, "dead", A)], [event(2000, "alive", B)]])
    assert [one.at_ms for one in found] == [later, 2000, 1000]
    assert [one.at_ms for one in merged([found], most=2)] == [later, 2000]
