"""The lead over its clocks on which a cluster agrees."""

import pytest

from limedb.cluster.gossip.clock_lead import MAX_LEAD_MS, RECENT_INTERVALS, ClockLead
from limedb.core.slewed_time import RATE
from tests.support.hand_clock import HandClock

OWN, B, C, STRANGER = (f"http://{name}:1" for name in ("a", "b", "c", "stranger"))
NOW = 1_000_000_000


def lead_of(clock: HandClock, *members: str) -> ClockLead:
    return ClockLead(OWN, clock, members=lambda: members, tolerance_ms=125, interval=1.0)


def heard(lead: ClockLead, clock: HandClock, **leads: int) -> None:
    urls = {"b": B, "c": C, "stranger": STRANGER}
    for name, ahead in leads.items():
        lead.measured(urls[name], clock.wall_ms() + ahead, 0.0)


def test_a_node_that_is_alone_keeps_its_own() -> None:
    clock = HandClock(0.0, offset_ms=NOW)
    lead = lead_of(clock, OWN)
    heard(lead, clock, stranger=5)
    assert lead.agreed_ms(60_000, NOW) == 60_000
    assert lead.is_settled


def test_a_lead_of_one_node_alone_is_given_up() -> None:
    clock = HandClock(0.0, offset_ms=NOW)
    lead = lead_of(clock, OWN, B, C)
    heard(lead, clock, b=0, c=-10, stranger=60_000)
    assert lead.agreed_ms(60_000, NOW) == 0


def test_a_node_that_was_away_follows_a_majority_and_nobody_else() -> None:
    clock = HandClock(0.0, offset_ms=NOW)
    lead = lead_of(clock, OWN, B, C)
    heard(lead, clock, b=60_000, c=0, stranger=60_000)
    assert lead.agreed_ms(0, NOW) == 0
    heard(lead, clock, c=60_200)
    assert lead.agreed_ms(0, NOW) == 60_000


def test_a_node_whose_clock_is_still_ahead_adds_nothing_to_what_the_others_have() -> None:
    clock = HandClock(0.0, offset_ms=NOW)
    lead = lead_of(clock, OWN, B, C)
    heard(lead, clock, b=60_000, c=60_000)
    assert lead.agreed_ms(0, NOW + 60_000) == 0


def test_a_lead_that_the_others_have_too_is_worked_off() -> None:
    clock = HandClock(0.0, offset_ms=NOW)
    lead, own = lead_of(clock, OWN, B, C), 60_000.0
    for _ in range(700):
        heard(lead, clock, b=round(own), c=round(own))
        own = lead.agreed_ms(own, clock.wall_ms())
        clock.now += 1
        own = max(0.0, own - 1000 * (1 - RATE))
    assert own == 0


def test_while_too_few_are_heard_the_own_lead_stays_and_is_no_more_than_an_opinion() -> None:
    clock = HandClock(0.0, offset_ms=NOW)
    lead = lead_of(clock, OWN, B, C)
    assert lead.agreed_ms(60_000, NOW) == 60_000
    assert not lead.is_settled
    assert lead.agreed_ms(0, NOW) == 0
    assert lead.is_settled
    clock.now = RECENT_INTERVALS + 1
    assert lead.agreed_ms(60_000, clock.wall_ms()) == 60_000
    assert lead.is_settled


def test_what_was_heard_long_ago_does_not_count() -> None:
    clock = HandClock(0.0, offset_ms=NOW)
    lead = lead_of(clock, OWN, B, C)
    heard(lead, clock, b=0, c=0)
    clock.now = 100
    assert lead.agreed_ms(60_000, clock.wall_ms()) == 60_000


@pytest.mark.parametrize("claimed", [int(MAX_LEAD_MS) * 2, 2**64 - 1 - NOW])
def test_no_majority_leads_by_more_than_a_hundred_years(claimed: int) -> None:
    clock = HandClock(0.0, offset_ms=NOW)
    lead = lead_of(clock, OWN, B, C)
    heard(lead, clock, b=claimed, c=claimed)
    assert lead.agreed_ms(0, NOW) == MAX_LEAD_MS
