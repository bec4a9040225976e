"""The table of compare-and-set, transactions and a contended counter."""

import asyncio

import pytest

from bench.coordination import CALLERS, Tally, measure, row


def test_a_row_has_the_medians_of_the_rounds() -> None:
    tallies = []
    for ms in (1, 3, 2):
        seconds = [[ms / 1000] * 10 for _ in range(CALLERS)]
        seconds[0] = [ms / 1000] * 5
        tallies.append(Tally(2.0, 0.635, seconds))
    assert row("a counter", "LimeDB", tallies) == "| a counter | LimeDB | 318 | 1,000 | 2.0 | 2.0 | 0.50 |"


async def test_all_callers_act_and_the_beginning_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.coordination.WARM_SECONDS", 0.1)
    seen = set[int]()

    async def act(caller: int) -> None:
        seen.add(caller)
        await asyncio.sleep(0.02)

    tally = await measure(act, 0.3, [])
    assert len(seen) == CALLERS
    assert all(tally.seconds)
    assert tally.fairness > 0
