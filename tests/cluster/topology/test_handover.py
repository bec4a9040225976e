"""When a change may end: enough old owners of each range know of the handover, and all that leave.

Tests limedb/cluster/topology/seen.py.
"""

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from limedb.aio.quorum_driver import QuorumDriver
from limedb.aio.tasks import Tasks
from limedb.cluster.topology.handover import HELD_SECONDS, Handover, parts, questions
from limedb.cluster.topology.seen import Seen
from limedb.core.layout import Layout
from limedb.core.quorum import majority
from limedb.core.topology import Member, finish, hand_over, initial_topology, join, leave
from limedb.ports import TopologyTransport
from tests.cluster.virtual import VirtualClock, run_virtual

MEMBERS = [Member(name, f"http://{name}:1", virtual_nodes=16) for name in "abcde"]
URLS = [member.url for member in MEMBERS]
STEADY = initial_topology("c1", 3, MEMBERS)
HANDOVER = hand_over(leave(STEADY, "e"))


def may_end(known_to: frozenset[str], leaving: tuple[str, ...] = ()) -> bool:
    return all(question.is_enough for question in questions(HANDOVER, leaving, known_to))


def test_it_may_end_just_when_no_old_majority_of_any_range_is_left_to_read() -> None:
    for mask in range(1 << len(URLS)):
        known_to = frozenset(url for i, url in enumerate(URLS) if mask & 1 << i)
        can_read = any(
            len(set(owners.natural) - known_to) >= majority(owners.replicas)
            for _, owners in Layout(STEADY).segments()
        )
        assert may_end(known_to) == (not can_read), sorted(known_to)


def test_all_that_leave_must_know_it() -> None:
    others = frozenset(URLS[:4])
    assert may_end(others)
    assert not may_end(others, (URLS[4],))
    assert may_end(others | {URLS[4]}, (URLS[4],))


def test_only_those_are_asked_that_are_not_known_to_know_it() -> None:
    asked = {url for question in questions(HANDOVER, (), frozenset(URLS[:2])) for url in question.spare}
    assert asked == set(URLS[2:])


@pytest.mark.parametrize("answers", [[True], [False]])
def test_an_answer_counts_only_from_a_node_that_knows_it(answers: list[bool]) -> None:
    question = questions(HANDOVER, (URLS[4],), frozenset())[-1]
    question.take(URLS[4], *answers)
    assert question.is_enough == answers[0]
    assert question.is_hopeless != answers[0]


def test_what_was_seen_is_of_one_epoch_and_a_late_answer_of_an_older_one_changes_nothing() -> None:
    seen = Seen()
    seen.note(HANDOVER, URLS[:2])
    assert seen.of(HANDOVER) == frozenset(URLS[:2])
    after = finish(HANDOVER)
    seen.note(after, URLS[2:3])
    assert (seen.of(HANDOVER), seen.of(after)) == (frozenset(), frozenset(URLS[2:3]))
    seen.note(HANDOVER, URLS)
    assert seen.of(after) == frozenset(URLS[2:3])


STEADY_OF_3 = initial_topology("c1", 3, MEMBERS[:3])
STEADY_OF_1 = initial_topology("c1", 3, MEMBERS[:1])


def test_a_change_parts_quorums_where_owners_are_exchanged() -> None:
    again = replace(MEMBERS[2], node_id="new")
    for topology in (join(STEADY_OF_1, MEMBERS[1]), join(STEADY_OF_3, again), leave(STEADY_OF_3, "c")):
        assert not parts(topology)
        assert not parts(hand_over(topology))
    only = initial_topology("c1", 1, MEMBERS[:1])
    for topology in (join(STEADY_OF_3, MEMBERS[3]), leave(STEADY, "e"), join(only, MEMBERS[1])):
        assert parts(topology)
        assert parts(hand_over(topology))


def test_a_handover_lasts_a_while_only_where_quorums_part() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        handover = Handover(cast(TopologyTransport, None), QuorumDriver(clock, Tasks()), clock, Seen(), 1.0)
        other = replace(hand_over(join(STEADY_OF_1, MEMBERS[1])), cluster_id="c2")
        assert handover.is_ripe(other)
        await asyncio.sleep(HELD_SECONDS)
        assert not handover.is_ripe(HANDOVER)
        await asyncio.sleep(HELD_SECONDS / 2)
        assert not handover.is_ripe(HANDOVER)
        await asyncio.sleep(HELD_SECONDS / 2)
        assert handover.is_ripe(HANDOVER)

    run_virtual(scenario())
